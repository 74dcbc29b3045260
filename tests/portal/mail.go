package main

import (
	"fmt"
	"net"
	"net/http"
	"net/smtp"
	"strconv"
)

// A mailer sends from memory, in batches, as the real program does; unlike it, without TLS and without a pause between two.
type mailer struct {
	known  settings
	secret secrets
}

// Sends a mail to as many people as the body says, and tells in how many batches.
func (it mailer) post(r *http.Request) (any, error) {
	asked, err := body(r)
	if err != nil {
		return nil, err
	}
	people, err := strconv.Atoi(string(asked))
	if err != nil || people < 1 || it.known.Mail.Batch < 1 {
		return nil, refusal{http.StatusBadRequest, "the body is the number of people, and MAIL.BATCH how many a batch has"}
	}
	batches := 0
	for first := 0; first < people; first += it.known.Mail.Batch {
		batch := make([]string, 0, it.known.Mail.Batch)
		for number := first; number < min(first+it.known.Mail.Batch, people); number++ {
			batch = append(batch, fmt.Sprintf("student-%d@example.edu", number))
		}
		if err := it.send(batch); err != nil {
			return nil, fmt.Errorf("after %d batches: %w", batches, err)
		}
		batches++
	}
	return batches, nil
}

func (it mailer) send(to []string) error {
	relay := it.known.Mail
	// A relay of the campus' own may ask for nothing.
	var auth smtp.Auth
	if it.secret.Mail.User != "" {
		auth = smtp.PlainAuth("", it.secret.Mail.User, it.secret.Mail.Password, relay.Host)
	}
	message := []byte("From: spo@example.edu\r\nSubject: Placements\r\n\r\nThe season is open: " + it.known.Origin + "\r\n")
	return smtp.SendMail(net.JoinHostPort(relay.Host, strconv.Itoa(relay.Port)), auth, "spo@example.edu", to, message)
}
