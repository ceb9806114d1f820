package storage

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/distribution/distribution/v3/configuration"
	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/distribution/distribution/v3/registry/storage/driver/azure"
)

// openAzure opens a container.
func openAzure(ctx context.Context, parameters configuration.Parameters) (storagedriver.StorageDriver, error) {
	p, err := azure.NewParameters(azureDefaults(parameters))
	if err != nil {
		return nil, fmt.Errorf("storage.azure: %w", err)
	}
	if p.MaxRetries < 0 {
		// The driver would call a copy done that it has just given up.
		return nil, fmt.Errorf("storage.azure.max_retries is %d: give a positive number, or leave it out", p.MaxRetries)
	}
	driver, err := azure.New(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("storage.azure: %w", err)
	}
	client, err := azureClient(p)
	if err != nil {
		return nil, fmt.Errorf("storage.azure: %w", err)
	}
	const denied = "correct storage.azure.accountkey or credentials, and what they may do"
	r := &remote{
		StorageDriver: azureDriver{Driver: driver, client: client, root: p.RootDirectory},
		place:         fmt.Sprintf("container %s at %s", p.Container, p.ServiceURL),
		answer:        azureReply,
		hints: map[string]string{
			"ContainerNotFound":               "create it, or correct storage.azure.container",
			"AuthenticationFailed":            denied,
			"AuthorizationFailure":            denied,
			"AuthorizationPermissionMismatch": denied,
			"InvalidAuthenticationInfo":       denied,
		},
	}
	return r, r.probe(ctx)
}

// azureDefaults fills in two parameters:
//
//   - The driver refuses a config without credentials.type, also when only one type
//     can be meant.
//   - It gives up a copy within the service after a second, and large ones take
//     longer. The pauses between its looks grow: sixty of them are three minutes.
func azureDefaults(parameters configuration.Parameters) configuration.Parameters {
	parameters = maps.Clone(parameters)
	if parameters == nil {
		parameters = configuration.Parameters{}
	}
	if _, ok := parameters["credentials"]; !ok {
		kind := azure.CredentialsTypeDefault
		if parameters["accountkey"] != nil {
			kind = azure.CredentialsTypeSharedKey
		}
		parameters["credentials"] = map[string]any{"type": kind}
	}
	if _, ok := parameters["max_retries"]; !ok {
		parameters["max_retries"] = 60
	}
	return parameters
}

// azureReply implements remote.answer.
func azureReply(err error) reply {
	var failure *azcore.ResponseError
	if errors.As(err, &failure) {
		return reply{status: failure.StatusCode, code: failure.ErrorCode}
	}
	return reply{}
}
