// Portal stands in for the programs of a drive in tests on a real node. It is honest about that: it has the shape of the programs
// of a Recruitment Automation System (what they listen on, read, write and need) and none of what these are for, shows over
// HTTP what a program in its place would see, and crashes when it is asked to. See the commands' own files for what each does.
//
//	portal [show P]   shows files, variables, a folder, databases, a bucket and a cache on port P, or 8080 (show.go)
//	portal backend    nine servers from three files, five databases, mail (backend.go)
//	portal cdn        a file server with an index in SQLite (cdn.go)
//	portal smtp       a mail server that keeps what it is sent, for tests to look at (smtp.go)
//	portal migrate VARIABLE STATEMENTS   changes a database, and ends (migrate.go)
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// What a shell reports of a process that SIGTERM ended.
const exitedBySIGTERM = 128 + 15

// A server is what listens on one port.
type server struct {
	port    string
	handler http.Handler
}

func main() {
	log.SetFlags(0)
	command, port := "show", "8080"
	if len(os.Args) > 1 {
		command = os.Args[1]
	}
	if len(os.Args) > 2 {
		port = os.Args[2]
	}
	stop, cancel := context.WithCancel(context.Background())
	defer cancel()
	if command == "backend" || command == "cdn" {
		// As abruptly as the real ones: requests and mail in memory are lost. A handler of its own, because the kernel gives a
		// container's first process no default action.
		ending := make(chan os.Signal, 1)
		signal.Notify(ending, syscall.SIGTERM, syscall.SIGINT)
		go func() {
			<-ending
			os.Exit(exitedBySIGTERM)
		}()
	} else {
		stop, cancel = signal.NotifyContext(stop, syscall.SIGTERM, syscall.SIGINT)
		defer cancel()
	}
	if command == "migrate" {
		if err := migrate(stop, os.Args[2:]); err != nil {
			log.Fatalf("the migration failed: %v", err)
		}
		log.Print("migrated")
		return
	}
	servers, err := servers(stop, command, port)
	if err == nil {
		log.Printf("portal %s (%s) listens on %s", os.Getenv("VERSION"), command, ports(servers))
		err = serve(stop, servers)
	}
	if err != nil {
		log.Fatalf("portal %s ends: %v", command, err)
	}
}

func servers(ctx context.Context, command, port string) ([]server, error) {
	switch command {
	case "show":
		return show(port), nil
	case "backend":
		return backend(ctx)
	case "cdn":
		return cdn(ctx)
	case "smtp":
		return smtpServer()
	default:
		return nil, fmt.Errorf("there is no command %q: show, backend, cdn or smtp", command)
	}
}

func ports(servers []server) string {
	ports := make([]string, 0, len(servers))
	for _, one := range servers {
		ports = append(ports, one.port)
	}
	return strings.Join(ports, ", ")
}
