// Portal stands in for the programs of a drive in tests on a real node. It is honest about that: it shows over HTTP what a program
// in its place would see (files, variables, volumes, databases), and crashes when it is asked to.
//
//	GET  /                      {"version": …}: which image runs
//	GET  /file?path=P           what is in a file of the pod
//	GET  /variable?name=N       the value of an environment variable
//	GET  /store/NAME            what PUT stored there, below the folder in STORE
//	PUT  /store/NAME            keeps the body
//	POST /sql?url=N             runs the body on the database whose address the variable N holds; answers the rows as JSON
//	POST /exit                  ends the program with status 1
//
// It listens on the ports in PORTS (8080 if that is empty). After SIGTERM it goes on for two seconds, in which whoever still
// believes that it is there is served, and then ends.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// What a test sends is small; more than this is a mistake.
	longest = 4 << 20
	linger  = 2 * time.Second
)

func main() {
	log.SetFlags(0)
	ports := strings.Fields(os.Getenv("PORTS"))
	if len(ports) == 0 {
		ports = []string{"8080"}
	}
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()

	handler := routes()
	failed := make(chan error, len(ports))
	servers := make([]*http.Server, 0, len(ports))
	for _, port := range ports {
		server := &http.Server{Addr: ":" + port, Handler: handler, ReadHeaderTimeout: 5 * time.Second}
		servers = append(servers, server)
		go func() { failed <- server.ListenAndServe() }()
	}
	log.Printf("portal %s listens on %s", os.Getenv("VERSION"), strings.Join(ports, ", "))
	select {
	case err := <-failed:
		log.Fatalf("a server ended: %v", err)
	case <-stop.Done():
	}
	// A pod is told to end at the same time as everybody else is told that it does, and they take a moment to hear of it:
	// a program that closed its port at once would refuse them.
	time.Sleep(linger)
	// Who is being served is served to the end, and nobody new is let in.
	patience, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, server := range servers {
		if err := server.Shutdown(patience); err != nil {
			log.Printf("a request was cut off: %v", err)
		}
	}
}

func routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]string{"version": os.Getenv("VERSION")}, nil)
	})
	mux.HandleFunc("GET /file", func(w http.ResponseWriter, r *http.Request) {
		content, err := os.ReadFile(r.URL.Query().Get("path"))
		answer(w, string(content), err)
	})
	mux.HandleFunc("GET /variable", func(w http.ResponseWriter, r *http.Request) {
		name := r.URL.Query().Get("name")
		value, found := os.LookupEnv(name)
		if !found {
			answer(w, nil, fmt.Errorf("%s: %w", name, os.ErrNotExist))
			return
		}
		answer(w, value, nil)
	})
	mux.HandleFunc("GET /store/{name}", func(w http.ResponseWriter, r *http.Request) {
		content, err := os.ReadFile(stored(r))
		answer(w, string(content), err)
	})
	mux.HandleFunc("PUT /store/{name}", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, longest))
		if err == nil {
			err = os.WriteFile(stored(r), body, 0o600)
		}
		answer(w, len(body), err)
	})
	mux.HandleFunc("POST /sql", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, longest))
		if err != nil {
			answer(w, nil, err)
			return
		}
		rows, err := query(r.Context(), os.Getenv(r.URL.Query().Get("url")), string(body))
		answer(w, rows, err)
	})
	mux.HandleFunc("POST /exit", func(_ http.ResponseWriter, _ *http.Request) {
		log.Print("asked to end with status 1")
		os.Exit(1)
	})
	return mux
}

// The name is one word of a path, so it leads nowhere else.
func stored(r *http.Request) string {
	return filepath.Join(os.Getenv("STORE"), filepath.Base(r.PathValue("name")))
}

// Answers a value as JSON, or what went wrong as a sentence.
func answer(w http.ResponseWriter, value any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		code := http.StatusInternalServerError
		if errors.Is(err, os.ErrNotExist) {
			code = http.StatusNotFound
		}
		w.WriteHeader(code)
		value = map[string]string{"error": err.Error()}
	}
	if err := json.NewEncoder(w).Encode(value); err != nil {
		log.Printf("an answer was not taken: %v", err)
	}
}
