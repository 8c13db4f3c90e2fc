package compose_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	rotorcli "rotor/internal/cli"
	"rotor/internal/config"
	"rotor/internal/wiring"
)

const root = "../../.."

// rotorImage is the image that the Dockerfile makes.
const rotorImage = "rotor"

// load gives the file's project, with the services of the profiles.
func load(t *testing.T, profiles ...string) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(root, "docker-compose.yml")}, cli.WithProfiles(profiles))
	require.NoError(t, err)
	project, err := options.LoadProject(t.Context())
	require.NoError(t, err)
	return project
}

func text(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, name))
	require.NoError(t, err)
	return string(content)
}

// variables are those that a program knows, by the program's name in the image.
func variables() map[string]map[string]bool {
	known := map[string]map[string]bool{"rotor": {}, "rotor-worker": {}}
	var take func(program string, c *cobra.Command)
	take = func(program string, c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			for _, name := range f.Annotations[config.AnnotationVariable] {
				known[program][name] = true
			}
		})
		for _, sub := range c.Commands() {
			take(program, sub)
		}
	}
	take("rotor", rotorcli.Command())
	take("rotor-worker", wiring.Command())
	for _, one := range config.Variables() {
		known["rotor"][one.Name] = known["rotor"][one.Name] || strings.Contains(one.By, "starter")
		known["rotor-worker"][one.Name] = known["rotor-worker"][one.Name] || strings.Contains(one.By, "worker")
	}
	return known
}

// installed are the programs that the Dockerfile puts into the image.
func installed(t *testing.T) []string {
	t.Helper()
	copied := regexp.MustCompile(`(?m)^COPY --from=build (/out/.*) /usr/local/bin/$`).FindStringSubmatch(text(t, "Dockerfile"))
	require.NotNil(t, copied)
	var names []string
	for _, path := range strings.Fields(copied[1]) {
		names = append(names, strings.TrimPrefix(path, "/out/"))
	}
	slices.Sort(names)
	return names
}

// The file loads, alone and with every profile; the services that make something and end are waited for as such, and what has to answer
// says how that is seen.
func TestTheFileLoads(t *testing.T) {
	require.Equal(t, []string{"postgresql", "setup", "temporal", "temporal-namespace", "temporal-schema", "temporal-ui", "worker"},
		slices.Sorted(maps.Keys(load(t).Services)))
	all := load(t, "*")
	require.Equal(t, []string{"mysql", "postgresql", "schedule-billing", "schedule-shop", "setup", "simulator", "temporal", "temporal-namespace", "temporal-schema", "temporal-ui", "worker"},
		slices.Sorted(maps.Keys(all.Services)))
	for name, service := range all.Services {
		require.NotContains(t, service.Image, "auto-setup", "it is deprecated")
		for on, how := range service.DependsOn {
			upon := all.Services[on]
			switch how.Condition {
			case types.ServiceConditionHealthy:
				require.NotNil(t, upon.HealthCheck, "%s waits for %s to be healthy", name, on)
			case types.ServiceConditionCompletedSuccessfully:
				require.NotContains(t, []string{"always", "unless-stopped"}, upon.Restart, "%s waits for %s to end", name, on)
			}
		}
		for _, port := range service.Ports {
			require.Equal(t, "127.0.0.1", port.HostIP, "%s is reachable from elsewhere", name)
		}
		if service.Image == rotorImage {
			require.True(t, service.ReadOnly, name)
			require.Equal(t, []string{"ALL"}, service.CapDrop, name)
			require.Contains(t, installed(t), service.Command[0], name)
		}
	}
}

// Every command line of the image's programs is one that they take, and every variable one that they know and that has a value that they take.
func TestCommandsAndVariables(t *testing.T) {
	known, programs := variables(), built
	for name, service := range load(t, "*").Services {
		if service.Image != rotorImage {
			continue
		}
		t.Run(name, func(t *testing.T) {
			help, err := programs.command(t, service.Command[0], append(slices.Clone(service.Command[1:]), "--help")...).CombinedOutput()
			require.NoError(t, err, string(help))
			env := map[string]string{}
			for variable, value := range service.Environment {
				require.True(t, known[service.Command[0]][variable], "%s knows no %s", service.Command[0], variable)
				env[variable] = *value
			}
			var settings config.Worker
			require.NoError(t, settings.Settings().Load(func(name string) (string, bool) { value, set := env[name]; return value, set }))
		})
	}
	wrong, err := programs.command(t, "rotor", "schedule", "shop", "--evry=1m", "--help").CombinedOutput()
	require.Error(t, err, "a flag that does not exist is found in this way")
	require.Contains(t, string(wrong), "--every")
}

// The addresses that services name are those that others listen at.
func TestAddresses(t *testing.T) {
	project := load(t, "*")
	at := func(service string) string {
		require.Len(t, project.Services[service].Ports, 1, service)
		return service + ":" + project.Services[service].Ports[0].Published
	}
	for name, service := range project.Services {
		if value, set := service.Environment["TEMPORAL_ADDRESS"]; set {
			require.Equal(t, at("temporal"), *value, name)
		}
		for _, port := range service.Ports {
			require.Equal(t, port.Published, portText(port.Target), "%s: the documentation names one port", name)
		}
	}
	worker := project.Services["worker"]
	require.Equal(t, "http://"+at("simulator"), *worker.Environment["ROTOR_ALIBABA_KMS_ENDPOINT"])
	require.Equal(t, "0.0.0.0:"+worker.Ports[0].Published, *worker.Environment["ROTOR_METRICS_ADDRESS"])
	simulator := project.Services["simulator"].Command
	require.Contains(t, simulator, "--listen=0.0.0.0:"+project.Services["simulator"].Ports[0].Published)
	require.Contains(t, simulator, "--mysql="+at("mysql"))
	require.Equal(t, *worker.Environment["ALIBABA_CLOUD_ACCESS_KEY_ID"], *project.Services["simulator"].Environment["ALIBABA_CLOUD_ACCESS_KEY_ID"])
	made, scheduled := []string{}, []string{}
	for _, flag := range simulator {
		if name, found := strings.CutPrefix(flag, "--secret="); found {
			made = append(made, name)
		}
	}
	for name, service := range project.Services {
		if strings.HasPrefix(name, "schedule-") {
			scheduled = append(scheduled, service.Command[2])
			require.Equal(t, "schedule-"+service.Command[2], name)
			require.Contains(t, service.Command, "--every=1m")
		}
	}
	require.Len(t, made, 2)
	require.ElementsMatch(t, made, scheduled, "all secrets that are made have a schedule")
	var settings config.Worker
	settings.Settings() // defaults
	require.Greater(t, time.Duration(*worker.StopGracePeriod), settings.StopTimeout)
	require.Contains(t, text(t, "docs/operations.md"), "`stop_grace_period` in Compose: "+strconv.Itoa(int(time.Duration(*worker.StopGracePeriod).Seconds()))+"s)")
}

// Without the demo the worker takes the cloud's own addresses and keys: nothing has to be taken out of the file.
func TestARealCloudByAFileOfVariables(t *testing.T) {
	options, err := cli.NewProjectOptions([]string{filepath.Join(root, "docker-compose.yml")}, cli.WithEnv([]string{
		"ROTOR_ALIBABA_KMS_ENDPOINT=", "ROTOR_ALLOW_HTTP=", "ALIBABA_CLOUD_ACCESS_KEY_ID=mine", "ALIBABA_CLOUD_ACCESS_KEY_SECRET=mine, too"}))
	require.NoError(t, err)
	project, err := options.LoadProject(t.Context())
	require.NoError(t, err)
	env := project.Services["worker"].Environment
	require.Empty(t, *env["ROTOR_ALIBABA_KMS_ENDPOINT"])
	require.Empty(t, *env["ROTOR_ALLOW_HTTP"])
	require.Equal(t, "mine", *env["ALIBABA_CLOUD_ACCESS_KEY_ID"])
}
