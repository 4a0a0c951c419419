package cluster

import (
	"time"

	"github.com/gamedayhq/gameday/suites/lab/machine"
)

// parts are the node's programs, each started when what it needs is ready.
func (c Cluster) parts() []machine.Part {
	parts := []machine.Part{c.containerd(), c.etcd(), c.apiServer(), c.controllerManager(), c.scheduler(), c.kubelet(), c.kubeProxy()}
	for i := range parts {
		parts[i].Restart = true
		parts[i].Ready.Interval = 100 * time.Millisecond
		if parts[i].Version == "" {
			parts[i].Version = c.Version
		}
	}
	return parts
}

func (c Cluster) containerd() machine.Part {
	return machine.Part{
		Name:    "containerd",
		Version: c.Versions["containerd"],
		Argv:    []string{"containerd", "--config", c.path("containerd.toml"), "--log-level", "warn"},
		Ready:   &machine.Check{Target: "unix:///run/containerd/containerd.sock"},
		// Pods are routed, and leave the node under its own address. One rule for
		// all of them is cheaper than the chain that CNI would make for each.
		Pre: [][]string{{
			"iptables", "--wait", "--table", "nat", "--append", "POSTROUTING",
			"--source", c.Pods.String(), "!", "--destination", c.Pods.String(), "--out-interface", "eth0", "--jump", "MASQUERADE",
		}},
	}
}

func (c Cluster) etcd() machine.Part {
	return machine.Part{
		Name:    "etcd",
		Version: c.Versions["etcd"],
		Argv: []string{
			c.Programs["etcd"],
			"--name=" + c.Name,
			"--data-dir=" + c.path("etcd"),
			"--listen-client-urls=https://127.0.0.1:2379",
			"--advertise-client-urls=https://127.0.0.1:2379",
			"--listen-peer-urls=http://127.0.0.1:2380",
			"--initial-advertise-peer-urls=http://127.0.0.1:2380",
			"--initial-cluster=" + c.Name + "=http://127.0.0.1:2380",
			"--listen-metrics-urls=http://127.0.0.1:2381",
			"--client-cert-auth",
			"--trusted-ca-file=" + c.path("pki/ca.crt"),
			"--cert-file=" + c.path("pki/etcd.crt"),
			"--key-file=" + c.path("pki/etcd.key"),
			"--log-level=warn",
		},
		Ready: &machine.Check{Target: "http://127.0.0.1:2381/readyz"},
	}
}

func (c Cluster) apiServer() machine.Part {
	return machine.Part{
		Name:  "kube-apiserver",
		After: []string{"etcd"},
		Argv: []string{
			c.Programs["kube-apiserver"],
			"--advertise-address=" + c.Node().String(),
			"--secure-port=6443",
			"--etcd-servers=https://127.0.0.1:2379",
			"--etcd-cafile=" + c.path("pki/ca.crt"),
			"--etcd-certfile=" + c.path("pki/apiserver-client.crt"),
			"--etcd-keyfile=" + c.path("pki/apiserver-client.key"),
			"--client-ca-file=" + c.path("pki/ca.crt"),
			"--tls-cert-file=" + c.path("pki/apiserver.crt"),
			"--tls-private-key-file=" + c.path("pki/apiserver.key"),
			"--kubelet-certificate-authority=" + c.path("pki/ca.crt"),
			"--kubelet-client-certificate=" + c.path("pki/apiserver-client.crt"),
			"--kubelet-client-key=" + c.path("pki/apiserver-client.key"),
			// The node's name is known to no name service on the host.
			"--kubelet-preferred-address-types=InternalIP",
			"--service-account-issuer=https://kubernetes.default.svc",
			"--service-account-key-file=" + c.path("pki/sa.pub"),
			"--service-account-signing-key-file=" + c.path("pki/sa.key"),
			"--service-cluster-ip-range=" + c.Services.String(),
			"--authorization-mode=Node,RBAC",
			"--enable-admission-plugins=NodeRestriction",
			"--allow-privileged=true",
			"--profiling=false",
		},
		// It takes a third of the lab's memory, most of it for the schemas of Chaos
		// Mesh. Collecting twice as often costs less than the memory would.
		Env:   []string{"GOGC=50"},
		Ready: &machine.Check{Target: "https://127.0.0.1:6443/readyz"},
	}
}

func (c Cluster) controllerManager() machine.Part {
	config := c.path("controller-manager.kubeconfig")
	return machine.Part{
		Name:  "kube-controller-manager",
		After: []string{"kube-apiserver"},
		Argv: []string{
			c.Programs["kube-controller-manager"],
			"--kubeconfig=" + config,
			"--authentication-kubeconfig=" + config,
			"--authorization-kubeconfig=" + config,
			"--bind-address=127.0.0.1",
			"--leader-elect=false",
			"--use-service-account-credentials=true",
			"--service-account-private-key-file=" + c.path("pki/sa.key"),
			"--root-ca-file=" + c.path("pki/ca.crt"),
			"--flex-volume-plugin-dir=" + c.path("kubelet/volume-plugins"),
			"--node-monitor-period=2s",
			"--node-monitor-grace-period=20s",
			"--concurrent-namespace-syncs=20",
			"--pvclaimbinder-sync-period=2s",
			"--kube-api-qps=200",
			"--kube-api-burst=400",
			"--profiling=false",
		},
		Ready: &machine.Check{Target: "https://127.0.0.1:10257/healthz"},
	}
}

func (c Cluster) scheduler() machine.Part {
	config := c.path("scheduler.kubeconfig")
	return machine.Part{
		Name:  "kube-scheduler",
		After: []string{"kube-apiserver"},
		Argv: []string{
			c.Programs["kube-scheduler"],
			"--config=" + c.path("scheduler.yaml"),
			"--authentication-kubeconfig=" + config,
			"--authorization-kubeconfig=" + config,
			"--bind-address=127.0.0.1",
		},
		Ready: &machine.Check{Target: "https://127.0.0.1:10259/healthz"},
	}
}

func (c Cluster) kubelet() machine.Part {
	return machine.Part{
		Name:  "kubelet",
		After: []string{"containerd", "kube-apiserver"},
		Argv: []string{
			c.Programs["kubelet"],
			"--config=" + c.path("kubelet.yaml"),
			"--kubeconfig=" + c.path("node.kubeconfig"),
			"--hostname-override=" + c.Name,
			"--node-ip=" + c.Node().String(),
		},
		Ready: &machine.Check{Target: "http://127.0.0.1:10248/healthz"},
	}
}

func (c Cluster) kubeProxy() machine.Part {
	return machine.Part{
		Name:  "kube-proxy",
		After: []string{"kube-apiserver"},
		Argv:  []string{c.Programs["kube-proxy"], "--config=" + c.path("kube-proxy.yaml")},
		Ready: &machine.Check{Target: "http://127.0.0.1:10256/healthz"},
	}
}
