package compose_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// kinds are what the folder makes, by kind, as Kubernetes has them.
func kinds() map[string]any {
	return map[string]any{
		"Namespace": &corev1.Namespace{}, "ServiceAccount": &corev1.ServiceAccount{}, "ConfigMap": &corev1.ConfigMap{}, "Deployment": &appsv1.Deployment{},
		"PodDisruptionBudget": &policyv1.PodDisruptionBudget{}, "NetworkPolicy": &networkingv1.NetworkPolicy{},
	}
}

// What kustomize builds is what Kubernetes knows: no field is unknown or stands in the wrong place, and what is generated has the names by which
// others refer to it.
func TestKustomizeBuilds(t *testing.T) {
	folder, err := filepath.Abs(filepath.Join(root, "deploy/kubernetes"))
	require.NoError(t, err)
	made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	require.NoError(t, err)
	into, found := kinds(), []string{}
	for _, one := range made.Resources() {
		require.Contains(t, into, one.GetKind())
		text, err := one.AsYAML()
		require.NoError(t, err)
		require.NoError(t, yaml.UnmarshalStrict(text, into[one.GetKind()]), string(text))
		if one.GetKind() != "Namespace" {
			require.Equal(t, "rotor", one.GetNamespace(), one.GetKind())
		}
		found = append(found, one.GetKind())
	}
	slices.Sort(found)
	require.Equal(t, []string{"ConfigMap", "Deployment", "Namespace", "NetworkPolicy", "PodDisruptionBudget", "ServiceAccount"}, found)

	deployment, settings := into["Deployment"].(*appsv1.Deployment), into["ConfigMap"].(*corev1.ConfigMap)
	pod := deployment.Spec.Template
	require.Equal(t, settings.Name, pod.Spec.Containers[0].EnvFrom[0].ConfigMapRef.Name, "with the hash, so that a change of settings replaces the pods")
	require.NotEqual(t, "rotor", pod.Spec.Containers[0].Image, "the name is replaced")
	require.Equal(t, into["ServiceAccount"].(*corev1.ServiceAccount).Name, pod.Spec.ServiceAccountName)
	for _, selector := range []map[string]string{deployment.Spec.Selector.MatchLabels, into["NetworkPolicy"].(*networkingv1.NetworkPolicy).Spec.PodSelector.MatchLabels,
		into["PodDisruptionBudget"].(*policyv1.PodDisruptionBudget).Spec.Selector.MatchLabels} {
		require.NotEmpty(t, selector)
		for name, value := range selector {
			require.Equal(t, value, pod.Labels[name])
		}
	}
	mounted := map[string]bool{}
	for _, mount := range pod.Spec.Containers[0].VolumeMounts {
		mounted[mount.Name] = true
	}
	for _, volume := range pod.Spec.Volumes {
		require.True(t, mounted[volume.Name], volume.Name)
		if volume.Secret != nil {
			require.True(t, *volume.Secret.Optional, "somebody else makes it, if there is one")
			require.EqualValues(t, 0o440, *volume.Secret.DefaultMode)
			require.Equal(t, pod.Spec.SecurityContext.RunAsGroup, pod.Spec.SecurityContext.FSGroup, "who may read it")
		}
	}
	require.Error(t, yaml.UnmarshalStrict([]byte("spec: {replica: 2}"), &appsv1.Deployment{}), "a field that Kubernetes does not know is found in this way")
}
