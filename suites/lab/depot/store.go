package depot

import (
	"context"
	"fmt"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Bucket is where the clusters keep their backups.
const Bucket = "velero"

// StoreURL is where the S3 store answers.
func (d Depot) StoreURL() string { return d.url(d.Ports().Store) }

// Store is a client of the S3 store with its owner's rights.
func (d Depot) Store() (*minio.Client, error) {
	keys, err := d.Keys()
	if err != nil {
		return nil, err
	}
	client, err := minio.New(fmt.Sprintf("%s:%d", d.Address, d.Ports().Store), &minio.Options{
		Creds:        credentials.NewStaticV4(keys.Access, keys.Secret, ""),
		BucketLookup: minio.BucketLookupPath, // no name service knows bucket.10.98.0.1
		Region:       Region,
	})
	if err != nil {
		return nil, fmt.Errorf("make a client of the S3 store: %w", err)
	}
	return client, nil
}

// Region is the store's, which S3 wants to be named.
const Region = "us-east-1"

// EnsureBucket makes the bucket for backups. Versions and object lock are on from
// its first day, as S3 takes no lock for a bucket that was made without.
func (d Depot) EnsureBucket(ctx context.Context) error {
	client, err := d.Store()
	if err != nil {
		return err
	}
	there, err := client.BucketExists(ctx, Bucket)
	if err != nil {
		return fmt.Errorf("look for bucket %s at %s: %w", Bucket, d.StoreURL(), err)
	}
	if !there {
		if err := client.MakeBucket(ctx, Bucket, minio.MakeBucketOptions{Region: Region, ObjectLocking: true}); err != nil {
			return fmt.Errorf("make bucket %s at %s: %w", Bucket, d.StoreURL(), err)
		}
	}
	versions, err := client.GetBucketVersioning(ctx, Bucket)
	if err != nil {
		return fmt.Errorf("ask whether bucket %s keeps versions: %w", Bucket, err)
	}
	if versions.Enabled() {
		return nil
	}
	if err := client.EnableVersioning(ctx, Bucket); err != nil {
		return fmt.Errorf("keep versions in bucket %s: %w", Bucket, err)
	}
	return nil
}
