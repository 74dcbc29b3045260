package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite"
)

const (
	// Where the real file server writes, in its working folder: what a test mounts a volume at.
	cdnFolder = "cdn"
	// The most that a file may have.
	cdnLongest = 2 << 20
)

// CDN is a file server that keeps files in a folder and an index of them in SQLite beside it. It writes to both for every file, so
// there is one of it and never two at once.
//
//	GET  /                     {"version": …}
//	POST /cdn/upload?name=N    keeps a PDF of 2 MB at most
//	GET  /cdn/view/NAME        what was uploaded, if it is in the index and in the folder
//	GET  /cdn/count            how many files the index has
func cdn(ctx context.Context) ([]server, error) {
	files := filepath.Join(cdnFolder, "files")
	if err := os.MkdirAll(files, 0o700); err != nil {
		return nil, err
	}
	index, err := sql.Open("sqlite", filepath.Join(cdnFolder, "index.sqlite"))
	if err != nil {
		return nil, err
	}
	if _, err := index.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS files (name TEXT PRIMARY KEY, size INTEGER NOT NULL)"); err != nil {
		return nil, fmt.Errorf("the index: %w", err)
	}
	store := fileStore{files, index}
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", route(version))
	mux.Handle("POST /cdn/upload", route(store.upload))
	mux.Handle("GET /cdn/view/{name}", route(store.view))
	mux.Handle("GET /cdn/count", route(store.count))
	return []server{{"8080", mux}}, nil
}

type fileStore struct {
	folder string
	index  *sql.DB
}

func (it fileStore) upload(r *http.Request) (any, error) {
	content, err := body(r)
	if err != nil {
		return nil, err
	}
	if len(content) > cdnLongest {
		return nil, refusal{http.StatusRequestEntityTooLarge, "a file has 2 MB at most"}
	}
	if !bytes.HasPrefix(content, []byte("%PDF-")) {
		return nil, refusal{http.StatusUnsupportedMediaType, "only PDF is taken"}
	}
	name := filepath.Base(r.URL.Query().Get("name"))
	if err := os.WriteFile(filepath.Join(it.folder, name), content, 0o600); err != nil {
		return nil, err
	}
	_, err = it.index.ExecContext(r.Context(), "INSERT OR REPLACE INTO files VALUES (?, ?)", name, len(content))
	return map[string]string{"view": "/cdn/view/" + name}, err
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
	content, err := os.ReadFile(filepath.Join(it.folder, name))
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
