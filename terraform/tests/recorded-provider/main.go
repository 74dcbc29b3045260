// A provider that knows what hashicorp/aws knows of its arguments, and nothing else: it serves a recorded schema.
//
// `terraform validate` and `terraform test` with a mocked provider ask for no more than that, so modules are checked
// for unknown, missing and mistyped arguments where the registry cannot be reached and the real provider (870 MB) is
// not there. It does not know which values are right; validations in the modules and the real provider do.
package main

import (
	"bytes"
	"compress/gzip"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/hashicorp/terraform-plugin-go/tfprotov5"
	"github.com/hashicorp/terraform-plugin-go/tfprotov5/tf5server"
)

//go:embed schema.json.gz
var recording []byte

func main() {
	record, err := read(recording)
	if err == nil {
		err = tf5server.Serve("hashicorp/aws", func() tfprotov5.ProviderServer { return &provider{record: record} })
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "recorded provider:", err)
		os.Exit(1)
	}
}

func read(compressed []byte) (*record, error) {
	stream, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(stream)
	if err != nil {
		return nil, err
	}
	var recorded recordedProvider
	if err := json.Unmarshal(text, &recorded); err != nil {
		return nil, err
	}
	return recorded.convert()
}

// provider answers what does not leave this machine; everything else is an error that says which provider this is.
type provider struct {
	// What is not written below panics, which no test survives unnoticed.
	tfprotov5.ProviderServer
	record *record
}

func (p *provider) GetMetadata(context.Context, *tfprotov5.GetMetadataRequest) (*tfprotov5.GetMetadataResponse, error) {
	answer := &tfprotov5.GetMetadataResponse{ServerCapabilities: &tfprotov5.ServerCapabilities{GetProviderSchemaOptional: true}}
	for name := range p.record.resources {
		answer.Resources = append(answer.Resources, tfprotov5.ResourceMetadata{TypeName: name})
	}
	for name := range p.record.dataSources {
		answer.DataSources = append(answer.DataSources, tfprotov5.DataSourceMetadata{TypeName: name})
	}
	return answer, nil
}

func (p *provider) GetProviderSchema(context.Context, *tfprotov5.GetProviderSchemaRequest) (*tfprotov5.GetProviderSchemaResponse, error) {
	return &tfprotov5.GetProviderSchemaResponse{
		ServerCapabilities: &tfprotov5.ServerCapabilities{GetProviderSchemaOptional: true},
		Provider:           p.record.provider,
		ResourceSchemas:    p.record.resources,
		DataSourceSchemas:  p.record.dataSources,
	}, nil
}

func (p *provider) PrepareProviderConfig(_ context.Context, request *tfprotov5.PrepareProviderConfigRequest) (*tfprotov5.PrepareProviderConfigResponse, error) {
	return &tfprotov5.PrepareProviderConfigResponse{PreparedConfig: request.Config}, nil
}

func (p *provider) ValidateResourceTypeConfig(context.Context, *tfprotov5.ValidateResourceTypeConfigRequest) (*tfprotov5.ValidateResourceTypeConfigResponse, error) {
	return &tfprotov5.ValidateResourceTypeConfigResponse{}, nil
}

func (p *provider) ValidateDataSourceConfig(context.Context, *tfprotov5.ValidateDataSourceConfigRequest) (*tfprotov5.ValidateDataSourceConfigResponse, error) {
	return &tfprotov5.ValidateDataSourceConfigResponse{}, nil
}

func (p *provider) ConfigureProvider(context.Context, *tfprotov5.ConfigureProviderRequest) (*tfprotov5.ConfigureProviderResponse, error) {
	return &tfprotov5.ConfigureProviderResponse{Diagnostics: []*tfprotov5.Diagnostic{{
		Severity: tfprotov5.DiagnosticSeverityError,
		Summary:  "This provider only knows the schema of hashicorp/aws",
		Detail:   "It serves `terraform validate` and mocked tests. To plan or apply, let Terraform install the real provider.",
	}}}, nil
}

func (p *provider) StopProvider(context.Context, *tfprotov5.StopProviderRequest) (*tfprotov5.StopProviderResponse, error) {
	return &tfprotov5.StopProviderResponse{}, nil
}
