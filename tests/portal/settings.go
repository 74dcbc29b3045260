package main

import (
	"bytes"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// Settings are all that the back end knows, from the two files in its working folder. It reads no variable.
type settings struct {
	Database struct {
		Host       string            `yaml:"HOST"`
		Port       int               `yaml:"PORT"`
		SSLMode    string            `yaml:"SSLMODE"`
		Names      map[string]string `yaml:"NAMES"`
		RoleSuffix string            `yaml:"ROLE_SUFFIX"`
	} `yaml:"DATABASE"`
	Mail struct {
		Host  string `yaml:"HOST"`
		Port  int    `yaml:"PORT"`
		Batch int    `yaml:"BATCH"`
	} `yaml:"MAIL"`
	Token struct {
		AccessHours int `yaml:"ACCESS_HOURS"`
		LinkHours   int `yaml:"LINK_HOURS"`
	} `yaml:"TOKEN"`
	Ports  map[string]int `yaml:"PORTS"`
	Origin string         `yaml:"ORIGIN"`
}

type secrets struct {
	Database struct {
		Password string `yaml:"PASSWORD"`
	} `yaml:"DATABASE"`
	JWT struct {
		PrivateKey string `yaml:"PRIVATE_KEY"`
	} `yaml:"JWT"`
	Mail struct {
		User     string `yaml:"USER"`
		Password string `yaml:"PASSWORD"`
	} `yaml:"MAIL"`
}

func readSettings() (settings, secrets, error) {
	var known settings
	var secret secrets
	if err := readYAML("config.yaml", &known); err != nil {
		return known, secret, err
	}
	if err := readYAML("secret.yml", &secret); err != nil {
		return known, secret, err
	}
	if secret.Database.Password == "" || secret.JWT.PrivateKey == "" {
		return known, secret, fmt.Errorf("secret.yml: DATABASE.PASSWORD or JWT.PRIVATE_KEY is empty")
	}
	return known, secret, nil
}

// A field that it does not know is a file that was written for another program.
func readYAML(path string, into any) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// The address of a database. The role's name is made up, as the real program does it: of the database's and a suffix.
func (known settings) address(database, password string) string {
	address := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(database+known.Database.RoleSuffix, password),
		Host:     net.JoinHostPort(known.Database.Host, strconv.Itoa(known.Database.Port)),
		Path:     database,
		RawQuery: url.Values{"sslmode": {known.Database.SSLMode}}.Encode(),
	}
	return address.String()
}
