// Checks Flux's objects in a file against Flux's own types: an unknown field or a wrong type is an error.
package main

import (
	"bytes"
	"fmt"
	"os"

	helm "github.com/fluxcd/helm-controller/api/v2"
	source "github.com/fluxcd/source-controller/api/v1"
	"sigs.k8s.io/yaml"
)

func check(document []byte) error {
	var meta struct{ APIVersion, Kind string }
	if err := yaml.Unmarshal(document, &meta); err != nil {
		return err
	}
	switch meta.APIVersion + " " + meta.Kind {
	case "helm.toolkit.fluxcd.io/v2 HelmRelease":
		return yaml.UnmarshalStrict(document, &helm.HelmRelease{})
	case "source.toolkit.fluxcd.io/v1 GitRepository":
		return yaml.UnmarshalStrict(document, &source.GitRepository{})
	}
	return fmt.Errorf("%s %s is none of Flux's that are known here", meta.APIVersion, meta.Kind)
}

func main() {
	failed := len(os.Args) < 2
	for _, file := range os.Args[1:] {
		text, err := os.ReadFile(file)
		for _, document := range bytes.Split(text, []byte("\n---\n")) {
			if err == nil {
				err = check(document)
			}
		}
		if err != nil {
			failed = true
			fmt.Fprintf(os.Stderr, "%s: %v\n", file, err)
		}
	}
	if failed {
		os.Exit(1)
	}
}
