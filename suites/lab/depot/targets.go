package depot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/gamedayhq/gameday/suites/lab/shop"
)

// Debian's Prometheus is built without its own way to find pods, so this server
// finds them for it: it answers in Prometheus's format for HTTP service discovery.

// observers are the arguments that tell the server of the sites.
func (d Depot) observers() []string {
	var args []string
	for _, site := range d.Sites {
		args = append(args, site.Name+"="+site.Observer)
	}
	return args
}

// ServeTargets answers GET /SITE on an address with the addresses of the shop's
// replicas there. Its arguments are the address and SITE=KUBECONFIG for each site.
func ServeTargets(ctx context.Context, args []string) error {
	if len(args) < 2 {
		return errors.New("serve targets: want an address and SITE=KUBECONFIG")
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(http.ResponseWriter, *http.Request) {})
	for _, arg := range args[1:] {
		name, path, _ := strings.Cut(arg, "=")
		config, err := clientcmd.BuildConfigFromFlags("", path)
		if err != nil {
			return fmt.Errorf("serve targets of %s: %w", name, err)
		}
		api, err := kubernetes.NewForConfig(config)
		if err != nil {
			return fmt.Errorf("serve targets of %s: %w", name, err)
		}
		mux.Handle("GET /"+name, targets{name: name, api: api})
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", args[0])
	if err != nil {
		return fmt.Errorf("serve targets: %w", err)
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() }) // Serve returns, which ends the program
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve targets: %w", err)
	}
	return nil
}

type targets struct {
	name string
	api  kubernetes.Interface
}

// target is what Prometheus wants to know of one replica.
type target struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// askLimit is shorter than Prometheus's patience. An API server that does not
// answer is an error, upon which Prometheus keeps the replicas it knows.
const askLimit = 2 * time.Second

func (t targets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), askLimit)
	defer cancel()
	pods, err := t.api.CoreV1().Pods(shop.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "app=shop"})
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	text, err := json.Marshal(t.replicas(pods.Items))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text) // who went away does not want it
}

func (t targets) replicas(pods []corev1.Pod) []target {
	all := []target{}
	for _, pod := range pods {
		if pod.Status.Phase != corev1.PodRunning || pod.Status.PodIP == "" {
			continue
		}
		all = append(all, target{
			Targets: []string{net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(shop.Port))},
			Labels:  map[string]string{"cluster": t.name, "pod": pod.Name},
		})
	}
	return all
}
