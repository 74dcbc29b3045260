package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// Settings are all that the back end knows, from three files in its working directory, with the keys of the real program. It
// reads no variable.
type settings struct {
	Mail struct {
		Host  string `yaml:"HOST"`
		Port  int    `yaml:"PORT"`
		Batch int    `yaml:"BATCH"`
	} `yaml:"MAIL"`
	JWT struct {
		Expiration struct {
			Long  int `yaml:"LONG"`
			Short int `yaml:"SHORT"`
		} `yaml:"EXPIRATION"`
	} `yaml:"JWT"`
	PVF struct {
		Expiration int `yaml:"EXPIRATION"`
	} `yaml:"PVF"`
	OTP struct {
		Expiration int `yaml:"EXPIRATION"`
		Size       int `yaml:"SIZE"`
	} `yaml:"OTP"`
	Database struct {
		Host string `yaml:"HOST"`
		Port int    `yaml:"PORT"`
		// What follows the database's name in the name of its role.
		User string `yaml:"USER"`
	} `yaml:"DATABASE"`
	DBName map[string]string `yaml:"DBNAME"`
	Port   struct {
		RAS          int `yaml:"RAS"`
		Auth         int `yaml:"AUTH"`
		Student      int `yaml:"STUDENT"`
		Company      int `yaml:"COMPANY"`
		Verification int `yaml:"VERIFICATION"`
		Admin        struct {
			RC      int `yaml:"RC"`
			App     int `yaml:"APP"`
			Company int `yaml:"COMPANY"`
			Student int `yaml:"STUDENT"`
		} `yaml:"ADMIN"`
	} `yaml:"PORT"`
}

type secrets struct {
	Mail struct {
		User    string `yaml:"USER"`
		Pass    string `yaml:"PASS"`
		WebTeam string `yaml:"WEBTEAM"`
	} `yaml:"MAIL"`
	JWT struct {
		PrivateKey string `yaml:"PRIVATE_KEY"`
	} `yaml:"JWT"`
	Database struct {
		Password string `yaml:"PASSWORD"`
	} `yaml:"DATABASE"`
	Calendar struct {
		CID1 string `yaml:"CID1"`
		CID2 string `yaml:"CID2"`
		CID3 string `yaml:"CID3"`
		CID4 string `yaml:"CID4"`
	} `yaml:"CALENDAR"`
}

const cloudKey = "secret.GCPcredentials.json"

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
	content, err := os.ReadFile(cloudKey)
	if err != nil {
		return known, secret, err
	}
	if !json.Valid(content) {
		return known, secret, fmt.Errorf("%s is not JSON", cloudKey)
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
		User:     url.UserPassword(database+known.Database.User, password),
		Host:     net.JoinHostPort(known.Database.Host, strconv.Itoa(known.Database.Port)),
		Path:     database,
		RawQuery: url.Values{"sslmode": {"disable"}}.Encode(),
	}
	return address.String()
}
