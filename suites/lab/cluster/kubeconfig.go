package cluster

import (
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/gamedayhq/gameday/suites/lab/folder"
)

// user is a client of the API server, known by its certificate.
type user struct {
	file, name string
	groups     []string
	local      bool // a program on the node itself
}

func users(node string) []user {
	return []user{
		{file: "admin", name: "gameday-admin", groups: []string{"system:masters"}},
		{file: "observer", name: "gameday-observer", groups: []string{"gameday:observers"}},
		{file: "apiserver-client", name: "kube-apiserver-client", groups: []string{"system:masters"}},
		{file: "controller-manager", name: "system:kube-controller-manager", local: true},
		{file: "scheduler", name: "system:kube-scheduler", local: true},
		{file: "kube-proxy", name: "system:kube-proxy", local: true},
		{file: "node", name: "system:node:" + node, groups: []string{"system:nodes"}, local: true},
	}
}

// Kubeconfig writes a file with an administrator's context for each cluster; the
// first one's is the current context.
func Kubeconfig(path string, clusters ...Cluster) error {
	all := clientcmdapi.NewConfig()
	for _, c := range clusters {
		if err := c.addContext(all, user{file: "admin"}); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		if all.CurrentContext == "" {
			all.CurrentContext = c.Name
		}
	}
	return writeKubeconfig(path, all)
}

// kubeconfigs writes one file for each user that is a program.
func (c Cluster) kubeconfigs() error {
	for _, u := range users(c.Name) {
		if !u.local && u.file != "observer" {
			continue
		}
		one := clientcmdapi.NewConfig()
		if err := c.addContext(one, u); err != nil {
			return err
		}
		one.CurrentContext = c.Name
		if err := writeKubeconfig(c.path(u.file+".kubeconfig"), one); err != nil {
			return err
		}
	}
	return nil
}

// Observer is the kubeconfig of the monitoring: it may look at pods.
func (c Cluster) Observer() string { return c.path("observer.kubeconfig") }

func (c Cluster) addContext(to *clientcmdapi.Config, u user) error {
	read := func(name string) ([]byte, error) { return os.ReadFile(filepath.Join(c.PKI(), name)) }
	ca, err := read("ca.crt")
	if err != nil {
		return err
	}
	cert, err := read(u.file + ".crt")
	if err != nil {
		return err
	}
	key, err := read(u.file + ".key")
	if err != nil {
		return err
	}
	server := c.Server()
	if u.local {
		server = "https://127.0.0.1:6443"
	}
	to.Clusters[c.Name] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: ca}
	to.AuthInfos[c.Name] = &clientcmdapi.AuthInfo{ClientCertificateData: cert, ClientKeyData: key}
	to.Contexts[c.Name] = &clientcmdapi.Context{Cluster: c.Name, AuthInfo: c.Name}
	return nil
}

func writeKubeconfig(path string, config *clientcmdapi.Config) error {
	text, err := clientcmd.Write(*config)
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	_, err = folder.Write(path, text, 0o600)
	return err
}
