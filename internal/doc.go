// Package internal is the program in wings. A wing may use those before it, and none
// beside it or after it; TestImports has the arrows and their reasons.
//
//	base     what all share: the vocabulary of OCI, files, locks, texts
//	config   from the text of a config to a target
//	content  what is moved, on this machine
//	client   how berth speaks to any registry      (beside content)
//	move     pull, push and copy
//	local    a registry that runs on this machine  (beside move)
package internal
