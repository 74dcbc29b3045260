package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"net/smtp"
	"strconv"
	"time"
)

// As the real program pauses between two batches.
const betweenBatches = time.Second

// A mailer sends from memory, in batches, as the real program does; unlike it, without TLS. What is not sent when the program
// ends is lost.
type mailer struct {
	known  settings
	secret secrets
	queue  chan []string
}

func newMailer(known settings, secret secrets) mailer {
	it := mailer{known, secret, make(chan []string, 1024)}
	go func() {
		for batch := range it.queue {
			if err := it.send(batch); err != nil {
				log.Printf("a batch of %d mails is lost: %v", len(batch), err)
			}
			time.Sleep(betweenBatches)
		}
	}()
	return it
}

// Queues a mail to as many people as the body says, and answers in how many batches.
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
		select {
		case it.queue <- batch:
		default:
			return nil, refusal{http.StatusTooManyRequests, "the queue is full"}
		}
		batches++
	}
	return batches, nil
}

func (it mailer) send(to []string) error {
	relay := it.known.Mail
	// A relay may ask for no password.
	var auth smtp.Auth
	if it.secret.Mail.Pass != "" {
		auth = smtp.PlainAuth("", it.secret.Mail.User, it.secret.Mail.Pass, relay.Host)
	}
	message := []byte("From: " + it.secret.Mail.User + "\r\nSubject: Placements\r\n\r\nThe season is open.\r\n")
	return smtp.SendMail(net.JoinHostPort(relay.Host, strconv.Itoa(relay.Port)), auth, it.secret.Mail.User, to, message)
}
