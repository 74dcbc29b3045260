package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// The SDK finds region, address and keys by itself, in the variables that a service is given. All it has to be told is whether
// the server wants the bucket's name in the path of an address.
func objects(ctx context.Context) (*s3.Client, error) {
	found, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	return s3.NewFromConfig(found, func(options *s3.Options) {
		options.UsePathStyle = os.Getenv("S3_PATH_STYLE") == "true"
	}), nil
}

func putObject(r *http.Request) (any, error) {
	content, err := body(r)
	if err != nil {
		return nil, err
	}
	client, bucket, name, err := object(r)
	if err != nil {
		return nil, err
	}
	_, err = client.PutObject(r.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &name, Body: bytes.NewReader(content)})
	return len(content), err
}

func getObject(r *http.Request) (any, error) {
	client, bucket, name, err := object(r)
	if err != nil {
		return nil, err
	}
	found, err := client.GetObject(r.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &name})
	var missing *types.NoSuchKey
	if errors.As(err, &missing) {
		return nil, fmt.Errorf("%s: %w", name, os.ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	defer found.Body.Close()
	content, err := io.ReadAll(io.LimitReader(found.Body, longest))
	return string(content), err
}

func object(r *http.Request) (client *s3.Client, bucket, name string, err error) {
	if bucket, err = fromEnvironment(r.URL.Query().Get("in")); err != nil {
		return nil, "", "", err
	}
	client, err = objects(r.Context())
	return client, bucket, r.PathValue("name"), err
}
