package main

import "errors"

// A protobuf reader and writer, as small as the guest needs: varints, lengths, nested messages.

var errBad = errors.New("bytes that are no message")

type field struct {
	number uint64
	value  uint64
	bytes  []byte
}

func varint(b []byte) (uint64, []byte, error) {
	var value uint64
	for i := 0; i < len(b) && i < 10; i++ {
		value |= uint64(b[i]&0x7f) << (7 * i)
		if b[i] < 0x80 {
			return value, b[i+1:], nil
		}
	}
	return 0, nil, errBad
}

// fields are those of one message, in order. Fixed-size fields do not occur in what this guest reads.
func fields(b []byte) ([]field, error) {
	var found []field
	for len(b) > 0 {
		key, rest, err := varint(b)
		if err != nil {
			return nil, err
		}
		f := field{number: key >> 3}
		if f.value, b, err = varint(rest); err != nil {
			return nil, err
		}
		switch key & 7 {
		case 0:
		case 2:
			if f.value > uint64(len(b)) {
				return nil, errBad
			}
			f.bytes, b = b[:f.value], b[f.value:]
		default:
			return nil, errBad
		}
		found = append(found, f)
	}
	return found, nil
}

// last is the last field of that number in a message, and whether there is one.
func last(message []byte, number uint64) (field, bool) {
	found, err := fields(message)
	for i := len(found) - 1; err == nil && i >= 0; i-- {
		if found[i].number == number {
			return found[i], true
		}
	}
	return field{}, false
}

func lastBytes(message []byte, number uint64) []byte {
	f, _ := last(message, number)
	return f.bytes
}

func putVarint(b []byte, value uint64) []byte {
	for ; value >= 0x80; value >>= 7 {
		b = append(b, byte(value)|0x80)
	}
	return append(b, byte(value))
}

func putUint(b []byte, number, value uint64) []byte {
	return putVarint(putVarint(b, number<<3), value)
}

func putBytes(b []byte, number uint64, content []byte) []byte {
	return append(putVarint(putVarint(b, number<<3|2), uint64(len(content))), content...)
}
