package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// Show is a program of no trade, which shows what it sees.
//
//	GET  /                      {"version": …}: which image runs
//	GET  /file?path=P           what is in a file of the pod
//	GET  /files?path=P          the names in a folder of the pod
//	GET  /variable?name=N       the value of an environment variable
//	GET  /store/NAME            what PUT stored there, below the folder in STORE
//	PUT  /store/NAME            keeps the body
//	POST /sql?url=N             runs the body on the database whose address the variable N holds; answers the rows as JSON
//	PUT  /bucket/NAME?in=N      keeps the body as an object of the bucket whose name the variable N holds (bucket.go)
//	GET  /bucket/NAME?in=N      what is in that object
//	PUT  /cache/NAME            keeps the body in the drive's cache (cache.go)
//	GET  /cache/NAME            what is there in the cache
//	POST /exit                  ends the program with status 1
func show(port string) []server {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", route(version))
	mux.Handle("GET /file", route(readFile))
	mux.Handle("GET /files", route(listFiles))
	mux.Handle("GET /variable", route(variable))
	mux.Handle("GET /store/{name}", route(load))
	mux.Handle("PUT /store/{name}", route(keep))
	mux.Handle("POST /sql", route(runSQL))
	mux.Handle("PUT /bucket/{name}", route(putObject))
	mux.Handle("GET /bucket/{name}", route(getObject))
	mux.Handle("PUT /cache/{name}", route(putInCache))
	mux.Handle("GET /cache/{name}", route(getFromCache))
	mux.Handle("POST /exit", route(crash))

	return []server{{port, mux}}
}

func readFile(r *http.Request) (any, error) {
	content, err := os.ReadFile(r.URL.Query().Get("path"))
	return string(content), err
}

func listFiles(r *http.Request) (any, error) {
	entries, err := os.ReadDir(r.URL.Query().Get("path"))
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		// Kubernetes' own: the folder of the moment, and the link to it.
		if !strings.HasPrefix(entry.Name(), "..") {
			names = append(names, entry.Name())
		}
	}
	return names, err
}

func variable(r *http.Request) (any, error) {
	return fromEnvironment(r.URL.Query().Get("name"))
}

func fromEnvironment(name string) (string, error) {
	value, found := os.LookupEnv(name)
	if !found {
		return "", fmt.Errorf("%s: %w", name, os.ErrNotExist)
	}
	return value, nil
}

func load(r *http.Request) (any, error) {
	content, err := os.ReadFile(stored(r))
	return string(content), err
}

func keep(r *http.Request) (any, error) {
	content, err := body(r)
	if err != nil {
		return nil, err
	}
	return len(content), os.WriteFile(stored(r), content, 0o600)
}

// The name is one word of a path, so it leads nowhere else.
func stored(r *http.Request) string {
	return filepath.Join(os.Getenv("STORE"), filepath.Base(r.PathValue("name")))
}

func runSQL(r *http.Request) (any, error) {
	statements, err := body(r)
	if err != nil {
		return nil, err
	}
	url, err := fromEnvironment(r.URL.Query().Get("url"))
	if err != nil {
		return nil, err
	}
	return query(r.Context(), url, string(statements))
}
