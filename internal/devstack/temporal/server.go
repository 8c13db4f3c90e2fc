// Package temporal starts a private Temporal development server with the official CLI, for the demo and the tests.
package temporal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"rotor/internal/devstack/port"
	"rotor/internal/devstack/process"
)

// Options say how to start the server.
type Options struct {
	// Headless leaves the Web UI out.
	Headless bool
	// SearchAttributes are registered before it starts: name to type, which is Text, Keyword, Int, Double, Bool,
	// Datetime or KeywordList.
	SearchAttributes map[string]string
	// Codec is the URL at which the Web UI has encrypted payloads read; "": nowhere.
	Codec string
	// Config are further settings of the server, by the names of its dynamic configuration.
	Config map[string]string
	// Progress is told when the CLI has to be built first. It may be nil.
	Progress io.Writer
}

// A Server is a running development server with one namespace. Its fields don't change, over Restart neither.
type Server struct {
	Address      string // host:port of the frontend
	Namespace    string // "default"
	WebUI        string // URL; "" when headless
	DatabaseFile string // SQLite; with its -wal and -shm files beside it all that the server keeps

	binary    string
	options   Options
	port, ui  int
	workspace *process.Workspace
	child     *process.Child
}

const (
	host          = "127.0.0.1"
	startPatience = 90 * time.Second // a machine may be busy with several servers and compilers
	stopPatience  = 15 * time.Second
	startPoll     = 20 * time.Millisecond
	portAttempts  = 3
)

var errPortTaken = errors.New("a port was taken meanwhile")

// Start starts a server and returns once its namespace answers, and its Web UI. ctx bounds the start only (the CLI's
// build included); Stop ends the server.
func Start(ctx context.Context, options Options) (*Server, error) {
	binary, err := Binary(ctx, options.Progress)
	if err != nil {
		return nil, err
	}
	workspace, err := process.NewWorkspace()
	if err != nil {
		return nil, err
	}
	s := &Server{
		Namespace: "default", DatabaseFile: workspace.Path("temporal.db"),
		binary: binary, options: options, workspace: workspace,
	}
	for attempt := 1; ; attempt++ {
		err = s.choosePorts()
		if err == nil {
			err = s.launch(ctx)
		}
		if !errors.Is(err, errPortTaken) || attempt == portAttempts {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start Temporal: %w", err), s.Stop())
	}
	return s, nil
}

func (s *Server) choosePorts() (err error) {
	if s.port, err = port.Free(); err != nil {
		return err
	}
	s.Address = net.JoinHostPort(host, strconv.Itoa(s.port))
	if s.options.Headless {
		return nil
	}
	if s.ui, err = port.Free(); err != nil {
		return err
	}
	s.WebUI = "http://" + net.JoinHostPort(host, strconv.Itoa(s.ui))
	return nil
}

func (s *Server) args() []string {
	args := []string{
		"server", "start-dev", "--ip", host, "--port", strconv.Itoa(s.port),
		"--db-filename", s.DatabaseFile, "--log-level", "warn", "--log-format", "json",
		"--dynamic-config-value", "system.enableActivityEagerExecution=true",
		// With one shard the default rates of these make every task wait 50 ms.
		"--dynamic-config-value", "history.transferProcessorMaxPollRPS=2000",
		"--dynamic-config-value", "history.transferProcessorMaxPollHostRPS=2000",
		// Each of a queue's partitions, four by default, has rows of its own and sends on what comes to one without a poller. They are there
		// for rates that this server has not, and workers with two pollers don't cover them.
		"--dynamic-config-value", "matching.numTaskqueueReadPartitions=1",
		"--dynamic-config-value", "matching.numTaskqueueWritePartitions=1",
		// It counts by task queue, of which trials have thousands, and goes through all of that each second, though nobody reads it here.
		"--dynamic-config-value", "metrics.breakdownByTaskQueue=false",
		// By default SQLite makes the disk confirm every transaction, several times, which takes more than all else where the disk is busy.
		// What is written without that survives the end of the process, in whichever way; it need not survive the machine's.
		"--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=off",
	}
	if s.options.Headless {
		args = append(args, "--headless")
	} else {
		args = append(args, "--ui-port", strconv.Itoa(s.ui))
		if s.options.Codec != "" {
			args = append(args, "--ui-codec-endpoint", s.options.Codec)
		}
	}
	for name, value := range s.options.Config {
		args = append(args, "--dynamic-config-value", name+"="+value)
	}
	for name, kind := range s.options.SearchAttributes {
		args = append(args, "--search-attribute", name+"="+kind)
	}
	return args
}

func (s *Server) launch(ctx context.Context) error {
	// The CLI reads settings of the user's own from TEMPORAL_ variables.
	env := slices.DeleteFunc(os.Environ(), func(entry string) bool { return strings.HasPrefix(entry, "TEMPORAL_") })
	// Its heap is small, so that collecting garbage when it has doubled is a good part of its work. Who has set it otherwise is heeded.
	env = append([]string{"GOGC=400"}, env...)
	child, err := s.workspace.Start(process.Command{Name: "temporal", Path: s.binary, Args: s.args(), Env: env})
	if err != nil {
		return err
	}
	s.child = child
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	temporal, err := client.NewLazyClient(client.Options{
		HostPort: s.Address, Namespace: s.Namespace, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		return errors.Join(fmt.Errorf("make a client: %w", err), child.Kill())
	}
	defer temporal.Close()
	tick := time.NewTicker(startPoll)
	defer tick.Stop()
	for {
		notReady := s.ready(ctx, temporal)
		if notReady == nil {
			return nil
		}
		select {
		case <-child.Done():
			if strings.Contains(child.LogTail(4000), "address already in use") {
				return errPortTaken
			}
			return child.Ended()
		case <-ctx.Done():
			err := fmt.Errorf("not ready within the time given: %w; its log ends:\n%s", notReady, child.LogTail(2000))
			return errors.Join(err, child.Kill())
		case <-tick.C:
		}
	}
}

// ready asks what a client would need: the frontend's health service, the namespace, and the Web UI's page.
func (s *Server) ready(ctx context.Context, temporal client.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if _, err := temporal.CheckHealth(ctx, nil); err != nil {
		return fmt.Errorf("check health: %w", err)
	}
	request := &workflowservice.DescribeNamespaceRequest{Namespace: s.Namespace}
	if _, err := temporal.WorkflowService().DescribeNamespace(ctx, request); err != nil {
		return fmt.Errorf("describe namespace %s: %w", s.Namespace, err)
	}
	if s.WebUI == "" {
		return nil
	}
	get, err := http.NewRequestWithContext(ctx, http.MethodGet, s.WebUI, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(get)
	if err != nil {
		return fmt.Errorf("get the Web UI: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		err = fmt.Errorf("get the Web UI: status %d", response.StatusCode)
	}
	return errors.Join(err, response.Body.Close())
}

// Log is the end of the server's log.
func (s *Server) Log() string { return s.child.LogTail(8000) }

// Ended is nil while the server runs; afterwards it says how it ended.
func (s *Server) Ended() error { return s.child.Ended() }

// Done is closed when the process that runs now has ended.
func (s *Server) Done() <-chan struct{} { return s.child.Done() }

// PID is the process's number; it changes with Restart.
func (s *Server) PID() int { return s.child.PID() }

// Kill ends the server at once (SIGKILL). Its database file stays; Restart brings it back.
func (s *Server) Kill() error { return s.child.Kill() }

// Shutdown ends the server in order. Its files stay; Restart brings it back.
func (s *Server) Shutdown() error { return s.child.Stop(stopPatience) }

// Restart shuts the server down if it runs and starts it again on the same ports with the same database file.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.Shutdown(); err != nil {
		return err
	}
	if err := s.launch(ctx); err != nil {
		return fmt.Errorf("restart Temporal: %w", err)
	}
	return nil
}

// Stop ends the server and deletes what it kept. Calling it again does nothing.
func (s *Server) Stop() error { return s.workspace.Close() }
