package configs

import _ "embed"

// Example is an annotated configuration that Load takes as it is, beside
// ExampleMapping in a file mapping.yaml.
//
//go:embed example.yaml
var Example string

// ExampleMapping is the mapping that Example names.
//
//go:embed example-mapping.yaml
var ExampleMapping string
