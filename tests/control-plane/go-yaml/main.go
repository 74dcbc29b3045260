// Reads YAML documents on stdin and writes each as one line of JSON, with the reader that kubectl, Argo CD and Flux
// use. It proves that the YAML we print means the same to them: this reader follows YAML 1.1, where an unquoted `on`
// or `n` is a boolean and `1_000` an integer.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"

	"sigs.k8s.io/yaml"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "go-yaml:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	text, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	writer := bufio.NewWriter(out)
	for number, document := range documents(text) {
		// Strict also refuses a key that is written twice, where readers differ in which one wins.
		var value any
		if err := yaml.UnmarshalStrict(document, &value); err != nil {
			return fmt.Errorf("document %d: %w", number+1, err)
		}
		if value == nil {
			continue
		}
		line, err := yaml.YAMLToJSONStrict(document)
		if err != nil {
			return fmt.Errorf("document %d: %w", number+1, err)
		}
		if _, err := writer.Write(append(bytes.TrimSpace(line), '\n')); err != nil {
			return err
		}
	}
	return writer.Flush()
}

// documents splits at lines that are `---`, alone or before a comment, as k8s.io/apimachinery does: a `---` that is
// indented belongs to a block scalar.
func documents(text []byte) [][]byte {
	var found [][]byte
	var current []byte
	for line := range bytes.Lines(text) {
		rest, isSeparator := bytes.CutPrefix(line, []byte("---"))
		rest = bytes.TrimSpace(rest)
		if isSeparator && (len(rest) == 0 || rest[0] == '#') {
			found = append(found, current)
			current = nil
			continue
		}
		current = append(current, line...)
	}
	return append(found, current)
}
