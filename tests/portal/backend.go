package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
)

// Paths of the nine servers, and the database of each, by the names of their ports in config.yaml.
var trades = map[string]struct{ path, database string }{
	"RAS":               {"/api/ras", "RC"},
	"AUTH":              {"/api/auth", "AUTH"},
	"STUDENT":           {"/api/student", "STUDENT"},
	"COMPANY":           {"/api/company", "COMPANY"},
	"ADMIN_RC":          {"/api/admin/rc", "RC"},
	"ADMIN_APPLICATION": {"/api/admin/application/rc", "APPLICATION"},
	"ADMIN_COMPANY":     {"/api/admin/company", "COMPANY"},
	"ADMIN_STUDENT":     {"/api/admin/student", "STUDENT"},
	"VERIFICATION":      {"/api/verification", "AUTH"},
}

const (
	// Every replica does this when it starts.
	makeTable = "CREATE TABLE IF NOT EXISTS seasons (year int NOT NULL)"
	addSeason = "INSERT INTO seasons VALUES (2026)"
	seasons   = `SELECT year, current_database() AS database, current_user AS role, tableowner AS owner
		FROM seasons, pg_tables WHERE tablename = 'seasons'`
)

// Backend is nine HTTP servers in one process, with the files, databases and ports of the real one. It ends at once when a file or
// a database is not there. For each server below its path (see trades):
//
//	GET  PATH            {"server": …}: touches no database
//	GET  PATH/seasons    the rows of the table in its database, with the database's, its role's and its owner's names
//	POST PATH/seasons    adds a row
//
// and on the first of them alone:
//
//	GET  /               {"version": …}
//	GET  /api/ras/key    a hash of the key with which it would sign
//	POST /api/ras/mail   sends as many mails as its body says, in batches (mail.go)
//	POST /api/ras/exit   ends the program with status 1
func backend(ctx context.Context) ([]server, error) {
	known, secret, err := readSettings()
	if err != nil {
		return nil, err
	}
	for _, name := range known.Database.Names {
		if _, err := query(ctx, known.address(name, secret.Database.Password), makeTable); err != nil {
			return nil, fmt.Errorf("database %s: %w", name, err)
		}
	}
	all := make([]server, 0, len(trades))
	for name, trade := range trades {
		port, found := known.Ports[name]
		database, used := known.Database.Names[trade.database]
		if !found || !used {
			return nil, fmt.Errorf("config.yaml: PORTS.%s or DATABASE.NAMES.%s is missing", name, trade.database)
		}
		address := known.address(database, secret.Database.Password)
		mux := http.NewServeMux()
		mux.Handle("GET "+trade.path, route(func(*http.Request) (any, error) {
			return map[string]string{"server": name}, nil
		}))
		mux.Handle("GET "+trade.path+"/seasons", route(func(r *http.Request) (any, error) {
			return query(r.Context(), address, seasons)
		}))
		mux.Handle("POST "+trade.path+"/seasons", route(func(r *http.Request) (any, error) {
			return query(r.Context(), address, addSeason)
		}))
		if name == "RAS" {
			mux.Handle("GET /{$}", route(version))
			mux.Handle("GET /api/ras/key", route(func(*http.Request) (any, error) {
				return hash(secret.JWT.PrivateKey), nil
			}))
			mux.Handle("POST /api/ras/mail", route(mailer{known, secret}.post))
			mux.Handle("POST /api/ras/exit", route(crash))
		}
		all = append(all, server{strconv.Itoa(port), mux})
	}
	return all, nil
}
