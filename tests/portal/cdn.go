package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	_ "modernc.org/sqlite"
)

const (
	// What the real file server keeps in its working directory.
	cdnFiles = "cdn"
	cdnZips  = "zip"
	cdnIndex = "cdn.db"
	cdnLog   = "cdn.log"
)

// What config.yaml in the working directory says.
type cdnSettings struct {
	Port int `yaml:"PORT"`
	// Bytes.
	Size int `yaml:"SIZE"`
	// The media type that is taken.
	Type    string `yaml:"TYPE"`
	Address string `yaml:"ADDRESS"`
}

// CDN is a file server that keeps files in a folder of its working directory and an index of them in SQLite beside it. It writes
// to both for every file, so there is one of it and never two at once.
//
//	GET  /                     {"version": …}
//	POST /cdn/upload?name=N    keeps a PDF of SIZE bytes at most; answers where it is to be seen
//	GET  /cdn/view/NAME        what was uploaded, if it is in the index and in the folder
//	GET  /cdn/count            how many files the index has
func cdn(ctx context.Context) ([]server, error) {
	var known cdnSettings
	if err := readYAML("config.yaml", &known); err != nil {
		return nil, err
	}
	written, err := os.OpenFile(cdnLog, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	log.New(written, "", log.LstdFlags).Print("the file server starts")
	for _, folder := range []string{cdnFiles, cdnZips} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return nil, err
		}
	}
	index, err := sql.Open("sqlite", cdnIndex)
	if err != nil {
		return nil, err
	}
	if _, err := index.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS files (name TEXT PRIMARY KEY, size INTEGER NOT NULL)"); err != nil {
		return nil, fmt.Errorf("the index: %w", err)
	}
	store := fileStore{known, index}
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", route(version))
	mux.Handle("POST /cdn/upload", route(store.upload))
	mux.Handle("GET /cdn/view/{name}", route(store.view))
	mux.Handle("GET /cdn/count", route(store.count))
	return []server{{strconv.Itoa(known.Port), mux}}, nil
}

type fileStore struct {
	known cdnSettings
	index *sql.DB
}

func (it fileStore) upload(r *http.Request) (any, error) {
	content, err := body(r)
	if err != nil {
		return nil, err
	}
	if len(content) > it.known.Size {
		return nil, refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("a file has %d bytes at most", it.known.Size)}
	}
	if kind := http.DetectContentType(content); kind != it.known.Type {
		return nil, refusal{http.StatusUnsupportedMediaType, fmt.Sprintf("only %s is taken", it.known.Type)}
	}
	name := filepath.Base(r.URL.Query().Get("name"))
	if err := os.WriteFile(filepath.Join(cdnFiles, name), content, 0o600); err != nil {
		return nil, err
	}
	_, err = it.index.ExecContext(r.Context(), "INSERT OR REPLACE INTO files VALUES (?, ?)", name, len(content))
	return map[string]string{"view": it.known.Address + "/view/" + name}, err
}

func (it fileStore) view(r *http.Request) (any, error) {
	name := r.PathValue("name")
	var size int
	err := it.index.QueryRowContext(r.Context(), "SELECT size FROM files WHERE name = ?", name).Scan(&size)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("%s: %w", name, os.ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(filepath.Join(cdnFiles, name))
	if err == nil && len(content) != size {
		err = fmt.Errorf("%s has %d bytes, and the index says %d", name, len(content), size)
	}
	return string(content), err
}

func (it fileStore) count(r *http.Request) (any, error) {
	var count int
	err := it.index.QueryRowContext(r.Context(), "SELECT count(*) FROM files").Scan(&count)
	return count, err
}
