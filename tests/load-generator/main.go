// The load generator sends requests to the addresses that are its arguments all the time, and counts the answers: how a service
// looks to its clients while something happens to it.
//
// Each address has ten clients. Half of them keep their connection as long as the server lets them, half open a new one for
// each request. Each pauses for 50 ms after an answer, so that they find out what fails and not how much the machine can do.
//
//	GET /   what was counted so far, as JSON
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	each     = 10
	pause    = 50 * time.Millisecond
	patience = 10 * time.Second
	// More sentences than these say the same.
	remembered = 10
	// An answer is a few words; it is what answers are told apart by.
	longest = 200
)

// What is known of one address.
type counts struct {
	// Answers with status 200, by what they were.
	Answered map[string]int `json:"answered"`
	// All that ended otherwise, and what the first of them were.
	Failed   int      `json:"failed"`
	Failures []string `json:"failures"`
	// Connections that were opened.
	Connections int `json:"connections"`
	// Requests that Go's client sent once more on another connection, because the server had closed the one that was kept just
	// when it was used: the one race that HTTP/1.1 leaves to clients (RFC 9112, 9.3.1).
	Retried int `json:"retried"`
	// The slowest answer, and the longest time in which there was none, in milliseconds.
	Slowest      int64 `json:"slowest"`
	LongestPause int64 `json:"longest_pause"`

	last time.Time
}

type book struct {
	sync.Mutex
	counts map[string]*counts
}

func main() {
	log.SetFlags(0)
	addresses := os.Args[1:]
	if len(addresses) == 0 {
		log.Fatal("usage: load-generator URL...")
	}
	book := &book{counts: map[string]*counts{}}
	for _, address := range addresses {
		book.counts[address] = &counts{Answered: map[string]int{}, Failures: []string{}, last: time.Now()}
		for number := range each {
			transport := http.DefaultTransport.(*http.Transport).Clone()
			transport.DisableKeepAlives = number%2 == 1
			client := &http.Client{Transport: transport, Timeout: patience}
			go func() {
				for {
					book.request(client, address)
					time.Sleep(pause)
				}
			}()
		}
	}
	http.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		book.Lock()
		defer book.Unlock()
		if err := json.NewEncoder(w).Encode(book.counts); err != nil {
			log.Printf("an answer was not taken: %v", err)
		}
	})
	log.Fatal(http.ListenAndServe(":8080", nil))
}

func (b *book) request(client *http.Client, address string) {
	connections, opened := 0, 0
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		connections++
		if !info.Reused {
			opened++
		}
	}}
	began := time.Now()
	answer, err := ask(httptrace.WithClientTrace(context.Background(), trace), client, address)
	now := time.Now()

	b.Lock()
	defer b.Unlock()
	found := b.counts[address]
	found.Connections += opened
	found.Retried += max(connections-1, 0)
	found.Slowest = max(found.Slowest, now.Sub(began).Milliseconds())
	if err != nil {
		found.Failed++
		if len(found.Failures) < remembered {
			found.Failures = append(found.Failures, fmt.Sprintf("%s, asked at %s: %v", now.UTC().Format("15:04:05.000"), began.UTC().Format("15:04:05.000"), err))
		}
		return
	}
	found.Answered[answer]++
	found.LongestPause = max(found.LongestPause, now.Sub(found.last).Milliseconds())
	found.last = now
}

func ask(ctx context.Context, client *http.Client, address string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, longest))
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(body))
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", response.Status, text)
	}
	return text, nil
}
