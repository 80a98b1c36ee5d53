// Command kubernetes is etcd, kube-apiserver, kube-controller-manager and kubectl in one program, for tests. The name
// that it is called by says which one to be.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	ctl "k8s.io/kubectl/pkg/cmd"
	ctlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	manager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

// programs maps a program's name to what it does; each returns its exit status.
var programs = map[string]func() int{
	"etcd":                    func() int { etcdmain.Main(os.Args); return 0 },
	"kube-apiserver":          func() int { return cli.Run(apiserver.NewAPIServerCommand()) },
	"kube-controller-manager": func() int { return cli.Run(manager.NewControllerManagerCommand()) },
	"kubectl":                 kubectl,
}

func kubectl() int {
	logs.GlogSetter(ctl.GetLogVerbosity(os.Args))
	if err := cli.RunNoErrOutput(ctl.NewDefaultKubectlCommand()); err != nil {
		ctlutil.CheckErr(err)
		return 1
	}
	return 0
}

func main() {
	run, ok := programs[filepath.Base(os.Args[0])]
	if !ok {
		fmt.Fprintln(os.Stderr, "kubernetes: call it as etcd, kube-apiserver, kube-controller-manager or kubectl")
		os.Exit(2)
	}
	os.Exit(run())
}
