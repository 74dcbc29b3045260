package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"time"
)

const (
	// What a test sends is small; more than this is a mistake.
	longest = 4 << 20
	// The time-outs of the real back end.
	readTimeout  = 5 * time.Second
	writeTimeout = 10 * time.Second
)

// Serves until the context ends, and then lets whoever is being served finish.
func serve(stop context.Context, all []server) error {
	failed := make(chan error, len(all))
	running := make([]*http.Server, 0, len(all))
	for _, one := range all {
		server := &http.Server{Addr: ":" + one.port, Handler: one.handler, ReadTimeout: readTimeout, WriteTimeout: writeTimeout}
		running = append(running, server)
		go func() { failed <- server.ListenAndServe() }()
	}
	select {
	case err := <-failed:
		return fmt.Errorf("a server ended: %w", err)
	case <-stop.Done():
	}
	// At once: that nobody opens a connection to a pod that goes is for its drive to see to.
	patience, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	for _, server := range running {
		if err := server.Shutdown(patience); err != nil {
			log.Printf("a request was cut off: %v", err)
		}
	}
	return nil
}

// A route answers with a value or with what went wrong.
type route func(r *http.Request) (any, error)

func (run route) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, longest)
	value, err := run(r)
	answer(w, value, err)
}

// A refusal is an error that is the client's own fault.
type refusal struct {
	code   int
	reason string
}

func (it refusal) Error() string { return it.reason }

// Answers a value as JSON, or what went wrong as a sentence.
func answer(w http.ResponseWriter, value any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		var refused refusal
		code := http.StatusInternalServerError
		switch {
		case errors.As(err, &refused):
			code = refused.code
		case errors.Is(err, os.ErrNotExist):
			code = http.StatusNotFound
		}
		w.WriteHeader(code)
		value = map[string]string{"error": err.Error()}
	}
	if err := json.NewEncoder(w).Encode(value); err != nil {
		log.Printf("an answer was not taken: %v", err)
	}
}

// What runs, on every server of every command.
func version(*http.Request) (any, error) {
	return map[string]string{"version": os.Getenv("VERSION")}, nil
}

// Ends the program as a crash would. No answer comes of it, by design.
func crash(*http.Request) (any, error) {
	log.Print("asked to end with status 1")
	os.Exit(1)
	return nil, nil
}

func body(r *http.Request) ([]byte, error) {
	return io.ReadAll(r.Body)
}

// Tells a secret from another one without showing it.
func hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}
