package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
)

func putInCache(r *http.Request) (any, error) {
	content, err := body(r)
	if err != nil {
		return nil, err
	}
	return cached(r.Context(), "SET", r.PathValue("name"), string(content))
}

func getFromCache(r *http.Request) (any, error) {
	return cached(r.Context(), "GET", r.PathValue("name"))
}

// Logs in to the cache as its variables say, runs one command and returns its answer. The protocol
// (https://valkey.io/topics/protocol/) is so small that a library would be larger than what is needed of it.
func cached(ctx context.Context, command ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var dialer net.Dialer
	connection, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(os.Getenv("CACHE_HOST"), os.Getenv("CACHE_PORT")))
	if err != nil {
		return "", err
	}
	defer connection.Close()
	if deadline, found := ctx.Deadline(); found {
		_ = connection.SetDeadline(deadline)
	}
	answers := bufio.NewReader(connection)
	if _, err := call(connection, answers, "AUTH", os.Getenv("CACHE_PASSWORD")); err != nil {
		return "", err
	}
	return call(connection, answers, command...)
}

func call(connection io.Writer, answers *bufio.Reader, words ...string) (string, error) {
	var text strings.Builder
	fmt.Fprintf(&text, "*%d\r\n", len(words))
	for _, word := range words {
		fmt.Fprintf(&text, "$%d\r\n%s\r\n", len(word), word)
	}
	if _, err := io.WriteString(connection, text.String()); err != nil {
		return "", err
	}
	line, err := answers.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimSpace(line)
	switch {
	case line == "$-1":
		return "", os.ErrNotExist
	case strings.HasPrefix(line, "+"):
		return line[1:], nil
	case strings.HasPrefix(line, "$"):
		size, err := strconv.Atoi(line[1:])
		if err != nil {
			return "", err
		}
		value := make([]byte, size+len("\r\n"))
		_, err = io.ReadFull(answers, value)
		return string(value[:size]), err
	default:
		return "", fmt.Errorf("the cache answers %q", line)
	}
}
