package provisioner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// Root is where the folders are, on the node and in the provisioner's pod alike:
// a `local` volume names the node's path.
const Root = "/var/lib/gameday-volumes"

// Main provisions in the cluster it runs in, until ctx ends or the process is
// told to stop. NODE_NAME names the node that Root is on.
func Main(ctx context.Context, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("start the provisioner: unexpected argument %q: it is set up by its environment", args[0])
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	node := os.Getenv("NODE_NAME")
	if node == "" {
		return errors.New("start the provisioner: NODE_NAME is not set: it names the node the volumes are on")
	}
	config, err := rest.InClusterConfig()
	if err != nil {
		return fmt.Errorf("start the provisioner: %w", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("start the provisioner: %w", err)
	}
	return serve(ctx, client, place{node: node, path: Root})
}

// place is a folder on a node.
type place struct{ node, path string }

// serve provisions in place until ctx ends.
func serve(ctx context.Context, client kubernetes.Interface, at place) (err error) {
	if !filepath.IsAbs(at.path) {
		return fmt.Errorf("start the provisioner: %q is no absolute path", at.path)
	}
	root, err := os.OpenRoot(at.path)
	if err != nil {
		return fmt.Errorf("start the provisioner: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	p := provisioner{client: client, node: at.node, path: filepath.Clean(at.path), root: root}
	provisioning := controller.NewProvisionController(ctx, client, Name, p,
		// One replica, replaced only after it is gone: there is nobody to elect.
		controller.LeaderElection(false),
		// The volume stays until its folder is removed, whichever of claim and
		// volume is deleted first.
		controller.AddFinalizer(true),
		// A drill that waits for a volume must not wait 15 seconds, the
		// library's first delay, for one conflict, nor find it given up.
		controller.RateLimiter(workqueue.NewTypedItemExponentialFailureRateLimiter[string](200*time.Millisecond, 10*time.Second)),
		controller.FailedProvisionThreshold(0),
		controller.FailedDeleteThreshold(0),
	)
	// The folders stay open until the last volume under way is done with.
	var workers sync.WaitGroup
	provisioning.ControllerWaitGroup(&workers)
	provisioning.Run(ctx)
	workers.Wait()
	return nil
}
