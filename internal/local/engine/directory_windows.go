package engine

import (
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// directoryID is of a directory and of no other one, copies included; "" when
// there is none.
func directoryID(dir string) string {
	f, err := os.Open(dir)
	if err != nil {
		return ""
	}
	defer f.Close()
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &info); err != nil {
		return ""
	}
	return fmt.Sprintf("%x:%x:%x", info.VolumeSerialNumber, info.FileIndexHigh, info.FileIndexLow)
}
