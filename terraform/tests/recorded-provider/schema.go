package main

import (
	"encoding/json"
	"fmt"

	"github.com/hashicorp/terraform-plugin-go/tfprotov5"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// What `terraform providers schema -json` prints, of which we read what says how to check a configuration.
type recordedProvider struct {
	Provider    recordedSchema            `json:"provider"`
	Resources   map[string]recordedSchema `json:"resource_schemas"`
	DataSources map[string]recordedSchema `json:"data_source_schemas"`
}

type recordedSchema struct {
	Version int64         `json:"version"`
	Block   recordedBlock `json:"block"`
}

type recordedBlock struct {
	Attributes map[string]recordedAttribute `json:"attributes"`
	Blocks     map[string]recordedNested    `json:"block_types"`
}

type recordedAttribute struct {
	Type      json.RawMessage `json:"type"`
	Required  bool            `json:"required"`
	Optional  bool            `json:"optional"`
	Computed  bool            `json:"computed"`
	Sensitive bool            `json:"sensitive"`
	WriteOnly bool            `json:"write_only"`
}

type recordedNested struct {
	Mode  string        `json:"nesting_mode"`
	Block recordedBlock `json:"block"`
	Min   int64         `json:"min_items"`
	Max   int64         `json:"max_items"`
}

type record struct {
	provider    *tfprotov5.Schema
	resources   map[string]*tfprotov5.Schema
	dataSources map[string]*tfprotov5.Schema
}

func (r recordedProvider) convert() (*record, error) {
	var err error
	converted := &record{resources: map[string]*tfprotov5.Schema{}, dataSources: map[string]*tfprotov5.Schema{}}
	if converted.provider, err = r.Provider.convert(); err != nil {
		return nil, fmt.Errorf("provider: %w", err)
	}
	for name, schema := range r.Resources {
		if converted.resources[name], err = schema.convert(); err != nil {
			return nil, fmt.Errorf("resource %s: %w", name, err)
		}
	}
	for name, schema := range r.DataSources {
		if converted.dataSources[name], err = schema.convert(); err != nil {
			return nil, fmt.Errorf("data source %s: %w", name, err)
		}
	}
	return converted, nil
}

func (s recordedSchema) convert() (*tfprotov5.Schema, error) {
	block, err := s.Block.convert()
	return &tfprotov5.Schema{Version: s.Version, Block: block}, err
}

func (b recordedBlock) convert() (*tfprotov5.SchemaBlock, error) {
	block := &tfprotov5.SchemaBlock{}
	for name, attribute := range b.Attributes {
		//nolint:staticcheck // The only public way from the JSON form of a type; terraform-plugin-go marks it as internal.
		kind, err := tftypes.ParseJSONType(attribute.Type)
		if err != nil {
			return nil, fmt.Errorf("attribute %s: %w", name, err)
		}
		block.Attributes = append(block.Attributes, &tfprotov5.SchemaAttribute{
			Name: name, Type: kind, Required: attribute.Required, Optional: attribute.Optional,
			Computed: attribute.Computed, Sensitive: attribute.Sensitive, WriteOnly: attribute.WriteOnly,
		})
	}
	for name, nested := range b.Blocks {
		inner, err := nested.Block.convert()
		if err != nil {
			return nil, fmt.Errorf("block %s: %w", name, err)
		}
		mode, known := nestingModes[nested.Mode]
		if !known {
			return nil, fmt.Errorf("block %s: nesting mode %q is unknown", name, nested.Mode)
		}
		block.BlockTypes = append(block.BlockTypes, &tfprotov5.SchemaNestedBlock{
			TypeName: name, Block: inner, Nesting: mode, MinItems: nested.Min, MaxItems: nested.Max,
		})
	}
	return block, nil
}

var nestingModes = map[string]tfprotov5.SchemaNestedBlockNestingMode{
	"single": tfprotov5.SchemaNestedBlockNestingModeSingle,
	"list":   tfprotov5.SchemaNestedBlockNestingModeList,
	"set":    tfprotov5.SchemaNestedBlockNestingModeSet,
	"map":    tfprotov5.SchemaNestedBlockNestingModeMap,
	"group":  tfprotov5.SchemaNestedBlockNestingModeGroup,
}
