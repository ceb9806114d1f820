package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/awserr"
	"github.com/aws/aws-sdk-go/aws/request"
	awss3 "github.com/aws/aws-sdk-go/service/s3"
	"github.com/distribution/distribution/v3/configuration"
	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/distribution/distribution/v3/registry/storage/driver/s3-aws"
)

// openS3 opens a bucket.
func openS3(ctx context.Context, parameters configuration.Parameters) (storagedriver.StorageDriver, error) {
	parameters = s3Defaults(parameters)
	driver, err := s3.FromParameters(ctx, parameters)
	if err != nil {
		return nil, fmt.Errorf("storage.s3: %w", err)
	}
	client, err := s3Client(driver)
	if err != nil {
		return nil, err
	}
	d := s3Driver{Driver: driver, client: client, bucket: fmt.Sprint(parameters["bucket"])}
	r := &remote{
		StorageDriver: d,
		place:         fmt.Sprintf("bucket %s at %s", d.bucket, client.Endpoint),
		answer:        s3Reply,
		abandon:       d.abandon,
		hints: map[string]string{
			"NoSuchBucket":          "create it, or correct storage.s3.bucket",
			"InvalidAccessKeyId":    "correct storage.s3.accesskey",
			"SignatureDoesNotMatch": "correct storage.s3.secretkey, and storage.s3.region if the service has one",
			"AccessDenied":          "allow this access key to list, read, write and delete in the bucket",
			"Forbidden":             "allow this access key to list, read, write and delete in the bucket",
			"NoCredentialProviders": "give storage.s3.accesskey and secretkey, or the credentials of the machine",
		},
	}
	return r, r.probe(ctx)
}

// s3Defaults fills in two parameters that the driver does badly without:
//
//   - Without a region it signs for one called "<nil>".
//   - Without forcepathstyle it puts the bucket before the host name, also where
//     that makes no name, as in bucket.127.0.0.1.
func s3Defaults(parameters configuration.Parameters) configuration.Parameters {
	endpoint, ok := parameters["regionendpoint"].(string)
	if !ok || endpoint == "" {
		return parameters
	}
	parameters = maps.Clone(parameters)
	if region, ok := parameters["region"]; !ok || region == nil || region == "" {
		parameters["region"] = "us-east-1" // what services without regions accept
	}
	if _, ok := parameters["forcepathstyle"]; !ok && !hasSubdomains(endpoint) {
		parameters["forcepathstyle"] = true
	}
	return parameters
}

// hasSubdomains returns whether a name before the host of an endpoint can mean
// anything.
func hasSubdomains(endpoint string) bool {
	if !strings.Contains(endpoint, "://") {
		endpoint = "http://" + endpoint
	}
	u, err := url.Parse(endpoint)
	return err == nil && net.ParseIP(u.Hostname()) == nil && strings.Contains(u.Hostname(), ".")
}

// s3Client returns the client inside of a driver, and gives it what no parameter
// can: as many idle connections as a registry has pulls, where the default is
// two, and an end to connecting. The driver's type is private and its field is
// not, hence the reflection.
func s3Client(driver *s3.Driver) (*awss3.S3, error) {
	const pulls = 100
	field := reflect.Indirect(reflect.ValueOf(driver.StorageDriver)).FieldByName("S3")
	if !field.IsValid() {
		return nil, errors.New("the S3 driver of this version of distribution has no client that is known")
	}
	client, ok := field.Interface().(*awss3.S3)
	if !ok {
		return nil, errors.New("the S3 driver of this version of distribution has another client")
	}
	transport := http.DefaultTransport.(*http.Transport)
	if own, ok := client.Config.HTTPClient.Transport.(*http.Transport); ok {
		transport = own // the one of skipverify
	}
	transport = transport.Clone()
	transport.DialContext = (&net.Dialer{Timeout: 5 * time.Second}).DialContext
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 0, pulls
	client.Config.HTTPClient = &http.Client{Transport: transport}
	return client, nil
}

// s3Reply implements remote.answer.
func s3Reply(err error) reply {
	var failure awserr.RequestFailure
	if errors.As(err, &failure) {
		return reply{status: failure.StatusCode(), code: failure.Code()}
	}
	var other awserr.Error
	if !errors.As(err, &other) {
		return reply{}
	}
	switch code := other.Code(); code {
	case request.ErrCodeRequestError, request.ErrCodeRead, request.ErrCodeResponseTimeout, request.ErrCodeSerialization:
		return reply{code: code}
	default:
		return reply{code: code, local: true}
	}
}

// s3Driver repairs what is particular to distribution's S3 driver.
type s3Driver struct {
	*s3.Driver
	client *awss3.S3
	bucket string
}

// Stat repairs that a path is taken for a directory when another begins with the
// same letters, as "/a" with "/ab".
func (d s3Driver) Stat(ctx context.Context, path string) (storagedriver.FileInfo, error) {
	info, err := d.Driver.Stat(ctx, path)
	if err != nil || !info.IsDir() || path == "/" {
		return info, err
	}
	found := false
	err = d.Walk(ctx, path, func(storagedriver.FileInfo) error {
		found = true
		return storagedriver.ErrFilledBuffer
	})
	if err == nil && !found {
		err = storagedriver.PathNotFoundError{Path: path, DriverName: d.Name()}
	}
	if err != nil {
		return nil, err
	}
	return info, nil
}

// Delete repairs that a missing path is found when another begins with the same
// letters, and that a path is found to be missing when its last page of objects
// is an empty one.
func (d s3Driver) Delete(ctx context.Context, path string) error {
	if _, err := d.Stat(ctx, path); err != nil {
		return err
	}
	err := d.Driver.Delete(ctx, path)
	if errors.As(err, new(storagedriver.PathNotFoundError)) {
		return nil
	}
	return err
}

// deleteFile implements fileDeleter.
func (d s3Driver) deleteFile(ctx context.Context, path string) error {
	_, err := d.client.DeleteObjectWithContext(ctx, &awss3.DeleteObjectInput{Bucket: &d.bucket, Key: aws.String(d.S3BucketKey(path))})
	return err
}

// Writer repairs that an upload which was committed cannot be resumed, as when
// the service failed between that and its move. Its content is uploaded again,
// since that of an object cannot grow.
func (d s3Driver) Writer(ctx context.Context, path string, resume bool) (storagedriver.FileWriter, error) {
	w, err := d.Driver.Writer(ctx, path, resume)
	if err == nil || !resume || errors.As(err, new(storagedriver.PathNotFoundError)) {
		return w, err
	}
	info, statErr := d.Stat(ctx, path)
	if statErr != nil || info.IsDir() {
		return nil, err
	}
	old, err := d.Reader(ctx, path, 0)
	if err != nil {
		return nil, err
	}
	defer old.Close()
	w, err = d.Driver.Writer(ctx, path, false)
	if err != nil {
		return nil, err
	}
	n, err := io.Copy(w, old)
	if err != nil {
		return nil, errors.Join(err, w.Cancel(ctx))
	}
	return sizedWriter{FileWriter: w, size: n}, nil
}

// sizedWriter is a writer whose own Size leaves out what is in its buffer.
type sizedWriter struct {
	storagedriver.FileWriter
	size int64
}

// Size implements storagedriver.FileWriter, until the next Write.
func (w sizedWriter) Size() int64 { return w.size }
