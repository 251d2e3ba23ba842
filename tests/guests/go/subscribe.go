package main

const (
	basicTrigger  = "basic-test-trigger@1.0.0"
	actionTrigger = "basic-test-action-trigger@1.0.0"
	basicConfig   = "capabilities.internal.basictrigger.v1.Config"
	actionConfig  = "capabilities.internal.actionandtrigger.v1.Config"
	awsNitro      = 1
)

func subscription(id, configType string, config []byte) []byte {
	message := putBytes(nil, 1, []byte(id))
	message = putBytes(message, 2, anyOf(configType, config))
	return putBytes(message, 3, []byte("Trigger"))
}

func named(id, configType, name string, number uint64) []byte {
	return subscription(id, configType, putUint(putBytes(nil, 1, []byte(name)), 2, number))
}

func nitro(region string) []byte {
	teeType := putBytes(putUint(nil, 1, awsNitro), 3, []byte(region))
	return putBytes(nil, 1, putBytes(nil, 2, putBytes(nil, 1, teeType)))
}

// subscribe answers with the triggers of the standard test that the config names.
func subscribe(asked request) {
	var list [][]byte
	switch string(asked.config) {
	case "multi-trigger":
		list = [][]byte{
			named(basicTrigger, basicConfig, "first-trigger", 100),
			named(actionTrigger, actionConfig, "second-trigger", 150),
			named(basicTrigger, basicConfig, "third-trigger", 200),
		}
	case "tee":
		first := putBytes(named(basicTrigger, basicConfig, "first-trigger", 100), 4, nitro("us-west-2"))
		list = [][]byte{first, named(basicTrigger, basicConfig, "second-trigger", 200)}
	case "restrictions":
		list = [][]byte{putUint(subscription(basicTrigger, basicConfig, nil), 5, 1)}
	default:
		list = [][]byte{subscription("http-trigger@1.0.0-alpha", "capabilities.networking.http.v1alpha.Config", nil)}
	}
	var all []byte
	for _, one := range list {
		all = putBytes(all, 1, one)
	}
	send(putBytes(nil, 3, all))
}
