package compose_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"
)

type probe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
}

// deployment is what the tests look at of one.
type deployment struct {
	Spec struct {
		Replicas int
		Selector struct {
			MatchLabels map[string]string `yaml:"matchLabels"`
		}
		Template struct {
			Metadata struct{ Annotations map[string]string }
			Spec     struct {
				ServiceAccountName            string `yaml:"serviceAccountName"`
				TerminationGracePeriodSeconds int    `yaml:"terminationGracePeriodSeconds"`
				SecurityContext               struct {
					RunAsNonRoot bool `yaml:"runAsNonRoot"`
					RunAsUser    int  `yaml:"runAsUser"`
				} `yaml:"securityContext"`
				Containers []struct {
					Image   string
					Command []string
					EnvFrom []struct {
						ConfigMapRef struct{ Name string } `yaml:"configMapRef"`
						SecretRef    struct {
							Name     string
							Optional bool
						} `yaml:"secretRef"`
					} `yaml:"envFrom"`
					Ports []struct {
						Name          string
						ContainerPort int `yaml:"containerPort"`
					}
					StartupProbe    probe `yaml:"startupProbe"`
					LivenessProbe   probe `yaml:"livenessProbe"`
					ReadinessProbe  probe `yaml:"readinessProbe"`
					SecurityContext struct {
						ReadOnlyRootFilesystem   bool `yaml:"readOnlyRootFilesystem"`
						AllowPrivilegeEscalation bool `yaml:"allowPrivilegeEscalation"`
					} `yaml:"securityContext"`
				}
			}
		}
	}
}

type kustomization struct {
	Resources          []string
	ConfigMapGenerator []struct {
		Name     string
		Literals []string
	} `yaml:"configMapGenerator"`
	Images []struct {
		Name, NewName, NewTag string
	}
}

func read(t *testing.T, name string, into any) {
	t.Helper()
	require.NoError(t, yaml.Unmarshal([]byte(text(t, filepath.Join("deploy/kubernetes", name))), into), name)
}

// settings are those of the generated ConfigMap.
func (k kustomization) settings(t *testing.T) map[string]string {
	t.Helper()
	require.Len(t, k.ConfigMapGenerator, 1)
	env := map[string]string{}
	for _, literal := range k.ConfigMapGenerator[0].Literals {
		name, value, ok := strings.Cut(literal, "=")
		require.True(t, ok, literal)
		env[name] = value
	}
	return env
}

// The manifests fit the image, the worker and each other.
func TestManifests(t *testing.T) {
	var d deployment
	var k kustomization
	read(t, "deployment.yaml", &d)
	read(t, "kustomization.yaml", &k)
	pod := d.Spec.Template.Spec
	require.Len(t, pod.Containers, 1)
	c := pod.Containers[0]

	require.Equal(t, rotorImage, c.Image)
	require.Len(t, k.Images, 1)
	require.Equal(t, rotorImage, k.Images[0].Name, "the name that kustomize replaces")
	require.Len(t, c.Command, 1)
	require.Contains(t, installed(t), c.Command[0])
	require.Contains(t, text(t, "Dockerfile"), "\nUSER "+portText(uint32(pod.SecurityContext.RunAsUser))+":")
	require.True(t, pod.SecurityContext.RunAsNonRoot)
	require.True(t, c.SecurityContext.ReadOnlyRootFilesystem)
	require.False(t, c.SecurityContext.AllowPrivilegeEscalation)

	require.Contains(t, text(t, "docs/operations.md"), "(`terminationGracePeriodSeconds` in Kubernetes: "+strconv.Itoa(pod.TerminationGracePeriodSeconds)+",")
	env, known := k.settings(t), variables()["rotor-worker"]
	for name := range env {
		require.True(t, known[name], "the worker knows no %s", name)
	}
	for _, from := range c.EnvFrom {
		if from.ConfigMapRef.Name != "" {
			require.Equal(t, k.ConfigMapGenerator[0].Name, from.ConfigMapRef.Name)
		} else {
			require.True(t, from.SecretRef.Optional, "secrets are by reference, and somebody else makes them")
		}
	}
	require.Len(t, c.Ports, 1)
	port := portText(uint32(c.Ports[0].ContainerPort))
	require.Equal(t, "0.0.0.0:"+port, env["ROTOR_METRICS_ADDRESS"])
	require.Equal(t, port, d.Spec.Template.Metadata.Annotations["prometheus.io/port"])
	for _, one := range []probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
		require.Equal(t, c.Ports[0].Name, one.HTTPGet.Port)
	}
	require.Equal(t, "/healthz", c.StartupProbe.HTTPGet.Path)
	require.Equal(t, "/healthz", c.LivenessProbe.HTTPGet.Path, "a Temporal that is away is no reason to kill workers")
	require.Equal(t, "/readyz", c.ReadinessProbe.HTTPGet.Path)
	require.GreaterOrEqual(t, pod.TerminationGracePeriodSeconds, 40, "longer than ROTOR_STOP_TIMEOUT")
	require.Greater(t, d.Spec.Replicas, 1)

	// Everything in the folder is applied, everything that is named is there, and selectors find the deployment's pods.
	files, err := filepath.Glob(filepath.Join(root, "deploy/kubernetes/*.yaml"))
	require.NoError(t, err)
	require.Len(t, k.Resources, len(files)-1)
	for _, name := range k.Resources {
		require.FileExists(t, filepath.Join(root, "deploy/kubernetes", name))
	}
	label := "app.kubernetes.io/name: " + d.Spec.Selector.MatchLabels["app.kubernetes.io/name"]
	for _, name := range []string{"disruptionbudget.yaml", "networkpolicy.yaml", "kustomization.yaml"} {
		require.Contains(t, text(t, filepath.Join("deploy/kubernetes", name)), label, name)
	}
	require.Contains(t, text(t, "deploy/kubernetes/serviceaccount.yaml"), "name: "+pod.ServiceAccountName)
	require.Contains(t, text(t, "deploy/kubernetes/networkpolicy.yaml"), "port: "+c.Ports[0].Name)

	// Nothing secret stands in them.
	for _, path := range files {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NotRegexp(t, regexp.MustCompile(`(?i)kind: Secret|(password|access_key_secret|api_key)=`), string(content), path)
	}
}
