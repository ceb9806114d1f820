package spec

import (
	"encoding"
	"fmt"
	"reflect"
)

// Decode fills dst, a pointer to a struct of this package, from an evaluated
// value: maps, slices, strings, int64, float64, bool and nil. Attributes that
// dst does not have and values of another type are errors: after evaluation
// they mean that schema and spec have come apart.
func Decode(dst any, value map[string]any) error {
	return decode(reflect.ValueOf(dst).Elem(), value, "")
}

func decode(dst reflect.Value, value any, path string) error {
	if value == nil {
		dst.SetZero()
		return nil
	}
	switch v := value.(type) {
	case map[string]any:
		return decodeMap(dst, v, path)
	case []any:
		if dst.Kind() != reflect.Slice {
			break
		}
		dst.Set(reflect.MakeSlice(dst.Type(), len(v), len(v)))
		for i, elem := range v {
			if err := decode(dst.Index(i), elem, fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
		return nil
	default:
		if dst.Kind() == reflect.Pointer {
			dst.Set(reflect.New(dst.Type().Elem()))
			return decode(dst.Elem(), value, path)
		}
		if text, ok := value.(string); ok {
			if u, ok := dst.Addr().Interface().(encoding.TextUnmarshaler); ok {
				return u.UnmarshalText([]byte(text))
			}
		}
		src := reflect.ValueOf(value)
		_, isInt := value.(int64)
		if src.Kind() == dst.Kind() || isInt && (dst.CanInt() || dst.CanFloat()) {
			dst.Set(src.Convert(dst.Type()))
			return nil
		}
	}
	return fmt.Errorf("%s: %T does not fit %s", path, value, dst.Type())
}

func decodeMap(dst reflect.Value, value map[string]any, path string) error {
	switch dst.Kind() {
	case reflect.Pointer:
		dst.Set(reflect.New(dst.Type().Elem()))
		return decodeMap(dst.Elem(), value, path)
	case reflect.Map:
		dst.Set(reflect.MakeMap(dst.Type()))
		for key, elem := range value {
			v := reflect.New(dst.Type().Elem()).Elem()
			if err := decode(v, elem, join(path, key)); err != nil {
				return err
			}
			dst.SetMapIndex(reflect.ValueOf(key), v)
		}
		return nil
	case reflect.Struct:
		fields := map[string]int{}
		for i := range dst.NumField() {
			fields[dst.Type().Field(i).Tag.Get("kcl")] = i
		}
		for key, elem := range value {
			i, ok := fields[key]
			if !ok {
				return fmt.Errorf("%s: no such attribute in %s", join(path, key), dst.Type())
			}
			if err := decode(dst.Field(i), elem, join(path, key)); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("%s: a mapping does not fit %s", path, dst.Type())
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
