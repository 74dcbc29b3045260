package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
)

// A trade is one of the nine servers: its port in config.yaml, its path, and the name of its database there.
type trade struct {
	name, path, database string
	port                 int
}

func trades(known settings) []trade {
	port := known.Port
	return []trade{
		{"RAS", "/api/ras", "RC", port.RAS},
		{"AUTH", "/api/auth", "AUTH", port.Auth},
		{"STUDENT", "/api/student", "STUDENT", port.Student},
		{"COMPANY", "/api/company", "COMPANY", port.Company},
		{"ADMIN.RC", "/api/admin/rc", "RC", port.Admin.RC},
		{"ADMIN.APP", "/api/admin/application/rc", "APPLICATION", port.Admin.App},
		{"ADMIN.COMPANY", "/api/admin/company", "COMPANY", port.Admin.Company},
		{"ADMIN.STUDENT", "/api/admin/student", "STUDENT", port.Admin.Student},
		{"VERIFICATION", "/api/verification", "AUTH", port.Verification},
	}
}

const (
	// Every replica does this when it starts.
	makeTable = "CREATE TABLE IF NOT EXISTS seasons (year int NOT NULL)"
	addSeason = "INSERT INTO seasons VALUES (2026)"
	seasons   = `SELECT year, current_database() AS database, current_user AS role, tableowner AS owner
		FROM seasons, pg_tables WHERE tablename = 'seasons'`
	// Written beside its files.
	creditsLog = "credits.log"
)

// Backend is nine HTTP servers in one process, with the files, databases and ports of the real one. It ends at once when a file or
// a database is not there when it starts, or when it cannot write credits.log into its working directory. Afterwards it
// reconnects to a database by itself. At SIGTERM it ends at once, and with it the mail that it has not sent. For each server
// below its path (see trades):
//
//	GET  PATH            {"server": …}: touches no database
//	GET  PATH/seasons    the rows of the table in its database, with the database's, its role's and its owner's names
//	POST PATH/seasons    adds a row
//
// and on the first of them alone:
//
//	GET  /               {"version": …}
//	GET  /api/ras/key    a hash of the key with which it would sign
//	POST /api/ras/mail   queues a mail to as many people as its body says, in batches (mail.go)
//	POST /api/ras/exit   ends the program with status 1
func backend(ctx context.Context) ([]server, error) {
	known, secret, err := readSettings()
	if err != nil {
		return nil, err
	}
	credits, err := os.OpenFile(creditsLog, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	log.New(credits, "", log.LstdFlags).Print("the back end starts")
	databases := map[string]*database{}
	for key, name := range known.DBName {
		connected := &database{url: known.address(name, secret.Database.Password)}
		if _, err := connected.query(ctx, makeTable); err != nil {
			return nil, fmt.Errorf("database %s: %w", name, err)
		}
		databases[key] = connected
	}
	mails := newMailer(known, secret)
	all := make([]server, 0, len(databases))
	for _, trade := range trades(known) {
		database := databases[trade.database]
		if trade.port == 0 || database == nil {
			return nil, fmt.Errorf("config.yaml: PORT.%s or DBNAME.%s is missing", trade.name, trade.database)
		}
		mux := http.NewServeMux()
		mux.Handle("GET "+trade.path, route(func(*http.Request) (any, error) {
			return map[string]string{"server": trade.name}, nil
		}))
		mux.Handle("GET "+trade.path+"/seasons", route(func(r *http.Request) (any, error) {
			return database.query(r.Context(), seasons)
		}))
		mux.Handle("POST "+trade.path+"/seasons", route(func(r *http.Request) (any, error) {
			return database.query(r.Context(), addSeason)
		}))
		if trade.name == "RAS" {
			mux.Handle("GET /{$}", route(version))
			mux.Handle("GET /api/ras/key", route(func(*http.Request) (any, error) {
				return hash(secret.JWT.PrivateKey), nil
			}))
			mux.Handle("POST /api/ras/mail", route(mails.post))
			mux.Handle("POST /api/ras/exit", route(crash))
		}
		all = append(all, server{strconv.Itoa(trade.port), mux})
	}
	return all, nil
}
