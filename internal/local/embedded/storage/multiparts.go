package storage

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	awss3 "github.com/aws/aws-sdk-go/service/s3"
	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
)

// abandoner ends uploads that were begun before a time, and returns how many.
type abandoner func(ctx context.Context, before time.Time) (int, error)

// PurgeMultiparts ends the multipart uploads that S3 has kept since before a time,
// and returns how many. No path leads to them and yet they are paid for: what a
// crash or an outage interrupted in an upload, or in the copy that a Move is. The
// driver is one that Open returned; others than that of S3 have none.
func PurgeMultiparts(ctx context.Context, driver storagedriver.StorageDriver, before time.Time) (int, error) {
	r, ok := driver.(*remote)
	if !ok || r.abandon == nil {
		return 0, nil
	}
	p := newPatience(ctx, longLimit)
	defer p.end()
	var n int
	err := p.wait(func() (err error) {
		n, err = r.abandon(p, before)
		return err
	})
	return n, r.explain(p, err)
}

// abandon implements abandoner. The bucket may be shared, and the root be all of
// it: only what is below the registry's own directory is.
func (d s3Driver) abandon(ctx context.Context, before time.Time) (int, error) {
	var n int
	var failed error
	err := d.client.ListMultipartUploadsPagesWithContext(ctx, &awss3.ListMultipartUploadsInput{
		Bucket: &d.bucket, Prefix: aws.String(d.S3BucketKey("/docker/registry/v2/")),
	}, func(page *awss3.ListMultipartUploadsOutput, _ bool) bool {
		for _, upload := range page.Uploads {
			if !aws.TimeValue(upload.Initiated).Before(before) {
				continue
			}
			_, failed = d.client.AbortMultipartUploadWithContext(ctx, &awss3.AbortMultipartUploadInput{
				Bucket: &d.bucket, Key: upload.Key, UploadId: upload.UploadId,
			})
			if failed != nil {
				return false
			}
			n++
		}
		return true
	})
	return n, errors.Join(err, failed)
}
