// Package flux pins the modules whose types are made into the CRDs that the Flux example is judged by.
package flux

import (
	_ "github.com/fluxcd/helm-controller/api/v2"
	_ "github.com/fluxcd/source-controller/api/v1"
)
