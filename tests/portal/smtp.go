package main

import (
	"log"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"sync"
)

// A mail as it came.
type received struct {
	To   int    `json:"to"`
	Text string `json:"text"`
}

// Inbox is what came since the start. Nothing is kept on a disk and nothing is passed on.
type inbox struct {
	mutex sync.Mutex
	mails []received
}

// SMTPServer takes every mail on port 2525, and shows them over HTTP on port 8080:
//
//	GET /mails    [{"to": how many people, "text": …}, …]
func smtpServer() ([]server, error) {
	listener, err := net.Listen("tcp", ":2525")
	if err != nil {
		return nil, err
	}
	kept := &inbox{mails: []received{}}
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				log.Printf("no more mail is taken: %v", err)
				return
			}
			go kept.take(connection)
		}
	}()
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", route(version))
	mux.Handle("GET /mails", route(func(*http.Request) (any, error) {
		kept.mutex.Lock()
		defer kept.mutex.Unlock()
		return append([]received{}, kept.mails...), nil
	}))
	return []server{{"8080", mux}}, nil
}

// One conversation by RFC 5321, of which it knows no extension.
func (it *inbox) take(connection net.Conn) {
	defer connection.Close()
	text := textproto.NewConn(connection)
	to := 0
	say := func(line string) error { return text.PrintfLine("%s", line) }
	err := say("220 stand-in")
	for err == nil {
		var line string
		if line, err = text.ReadLine(); err != nil {
			return
		}
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		switch verb {
		case "MAIL":
			to = 0
			err = say("250 ok")
		case "RCPT":
			to++
			err = say("250 ok")
		case "DATA":
			if err = say("354 go on"); err != nil {
				return
			}
			var message []byte
			if message, err = text.ReadDotBytes(); err != nil {
				return
			}
			it.mutex.Lock()
			it.mails = append(it.mails, received{to, string(message)})
			it.mutex.Unlock()
			err = say("250 kept")
		case "QUIT":
			_ = say("221 bye")
			return
		case "EHLO", "HELO", "RSET", "NOOP":
			err = say("250 ok")
		default:
			err = say("502 not known")
		}
	}
}
