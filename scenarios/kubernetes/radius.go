package kubernetes

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/gamedayhq/gameday/scenarios"
)

// within holds how many pods would be lost, of those that the fault's selector matches, against the blast radius.
func within(radius scenarios.BlastRadius, hits, of int) error {
	if radius.MaxPods == nil {
		return nil
	}
	limit, err := intstr.GetScaledValueFromIntOrPercent(radius.MaxPods, of, false)
	if err != nil {
		return fmt.Errorf("blast radius: %w", err)
	}
	if hits > limit {
		return fmt.Errorf("blast radius: would hit %d of %d pods, maxPods %s allows %d: narrow the fault or widen spec.blastRadius",
			hits, of, radius.MaxPods.String(), limit)
	}
	return nil
}
