package storage

import (
	"context"
	"crypto/tls"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/distribution/distribution/v3/registry/storage/driver/azure"
)

// azureDriver repairs how distribution's driver for Azure finds things: to List a
// directory it lists all that is anywhere below, and its Walk asks for each thing
// by itself, so that to look at a registry's hundred thousand blobs takes half a
// million requests. Here it takes one for five thousand.
type azureDriver struct {
	*azure.Driver
	client *container.Client
	root   string
}

// azureClient returns a client for the container, since the driver's own cannot be
// had.
func azureClient(p *azure.DriverParameters) (*container.Client, error) {
	options := new(container.ClientOptions)
	if p.SkipVerify {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
		options.Transport = &http.Client{Transport: transport}
	}
	url := strings.TrimRight(p.ServiceURL, "/") + "/" + p.Container
	if p.Credentials.Type == azure.CredentialsTypeSharedKey {
		key, err := container.NewSharedKeyCredential(p.AccountName, p.AccountKey)
		if err != nil {
			return nil, err
		}
		return container.NewClientWithSharedKeyCredential(url, key, options)
	}
	var token azcore.TokenCredential
	var err error
	if p.Credentials.Type == azure.CredentialsTypeClientSecret {
		token, err = azidentity.NewClientSecretCredential(p.Credentials.TenantID, p.Credentials.ClientID, p.Credentials.Secret, nil)
	} else {
		token, err = azidentity.NewDefaultAzureCredential(nil)
	}
	if err != nil {
		return nil, err
	}
	return container.NewClient(url, token, options)
}

// List implements storagedriver.StorageDriver.
func (d azureDriver) List(ctx context.Context, path string) ([]string, error) {
	prefix, above, err := d.below(path)
	if err != nil {
		return nil, err
	}
	var paths []string
	pages := d.client.NewListBlobsHierarchyPager("/", &container.ListBlobsHierarchyOptions{Prefix: &prefix})
	for pages.More() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, blob := range page.Segment.BlobItems {
			paths = append(paths, above+strings.TrimPrefix(*blob.Name, prefix))
		}
		for _, dir := range page.Segment.BlobPrefixes {
			paths = append(paths, above+strings.TrimSuffix(strings.TrimPrefix(*dir.Name, prefix), "/"))
		}
	}
	if len(paths) == 0 && path != "/" {
		return nil, storagedriver.PathNotFoundError{Path: path, DriverName: d.Name()}
	}
	return paths, nil
}

// Walk implements storagedriver.StorageDriver. It starts at the beginning, as
// WithStartAfterHint allows.
func (d azureDriver) Walk(ctx context.Context, path string, f storagedriver.WalkFn, _ ...func(*storagedriver.WalkOptions)) error {
	prefix, above, err := d.below(path)
	if err != nil {
		return err
	}
	w := flatWalk{above: above, visit: f}
	pages := d.client.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: &prefix})
	for pages.More() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, blob := range page.Segment.BlobItems {
			err := w.file(storagedriver.FileInfoFields{
				Path:    above + strings.TrimPrefix(*blob.Name, prefix),
				Size:    *blob.Properties.ContentLength,
				ModTime: *blob.Properties.LastModified,
			})
			if err == storagedriver.ErrFilledBuffer {
				return nil
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// below returns what the names of all blobs below a path begin with, and what is
// in place of that in their paths.
func (d azureDriver) below(path string) (prefix, above string, err error) {
	if path != "/" && !storagedriver.PathRegexp.MatchString(path) {
		return "", "", storagedriver.InvalidPathError{Path: path, DriverName: d.Name()}
	}
	above = strings.TrimSuffix(path, "/") + "/"
	return strings.TrimLeft(strings.TrimRight(d.root, "/")+above, "/"), above, nil
}

// flatWalk makes a walk of a flat listing in the order of names, in which all that
// is in a directory follows each other.
type flatWalk struct {
	above    string // the path that the walk is of, with a slash at the end
	visit    storagedriver.WalkFn
	previous string // path of a file
	skipped  string // directory, with a slash at the end; "" for none
}

// file visits a file, and first the directories that begin with it.
func (w *flatWalk) file(fields storagedriver.FileInfoFields) error {
	path := fields.Path
	if strings.HasSuffix(path, "/") {
		return nil // left by a tool that shows containers as directories
	}
	for end := len(w.above); ; end++ {
		slash := strings.IndexByte(path[end:], '/')
		if slash < 0 {
			break
		}
		end += slash
		if strings.HasPrefix(w.previous, path[:end+1]) {
			continue
		}
		if err := w.one(storagedriver.FileInfoFields{Path: path[:end], IsDir: true}); err != nil {
			return err
		}
	}
	w.previous = path
	return w.one(fields)
}

func (w *flatWalk) one(fields storagedriver.FileInfoFields) error {
	if w.skipped != "" && strings.HasPrefix(fields.Path, w.skipped) {
		return nil
	}
	err := w.visit(storagedriver.FileInfoInternal{FileInfoFields: fields})
	if err == storagedriver.ErrSkipDir {
		if fields.IsDir {
			w.skipped = fields.Path + "/"
		}
		return nil
	}
	return err
}
