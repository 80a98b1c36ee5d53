package main

import (
	"fmt"
	"os"

	"github.com/spf13/pflag"
	"sigs.k8s.io/kwok/pkg/config"
	kwok "sigs.k8s.io/kwok/pkg/kwok/cmd"
	"sigs.k8s.io/kwok/pkg/log"
	"sigs.k8s.io/kwok/pkg/utils/signals"
)

// fakeNodes is kwok: it plays the kubelet of nodes that do not exist.
func fakeNodes() int {
	if err := runKwok(); err != nil {
		fmt.Fprintln(os.Stderr, "kwok:", err)
		return 1
	}
	return 0
}

// runKwok parses the flags of logging and configuration before there is a command, since the command is made from them.
func runKwok() error {
	// Every command takes over the process's own flags, among which Kubernetes' libraries have put a "version" that is not kwok's.
	pflag.CommandLine = pflag.NewFlagSet(os.Args[0], pflag.ContinueOnError)
	first := pflag.NewFlagSet("first", pflag.ContinueOnError)
	first.ParseErrorsAllowlist.UnknownFlags = true
	first.Usage = func() {}
	ctx, _ := log.InitFlags(signals.SetupSignalContext(), first)
	ctx, err := config.InitFlags(ctx, first)
	if err != nil {
		return err
	}
	command := kwok.NewCommand(ctx)
	command.PersistentFlags().AddFlagSet(first)
	return command.ExecuteContext(ctx)
}
