/*
 * Files as sources of the 9.3 to 9.6 generation open them: with the mode of a file that is created as third argument.
 */
#ifndef BGWORKER_COMPAT_STORAGE_FD_H
#define BGWORKER_COMPAT_STORAGE_FD_H

#include_next "storage/fd.h"
#include "bgworker_compat_arguments.h"

typedef char *FileName;

#define OpenTransientFile(...) \
	BGWORKER_COMPAT_FOURTH(__VA_ARGS__, OpenTransientFilePerm, OpenTransientFile, )(__VA_ARGS__)
#define BasicOpenFile(...) BGWORKER_COMPAT_FOURTH(__VA_ARGS__, BasicOpenFilePerm, BasicOpenFile, )(__VA_ARGS__)
#define PathNameOpenFile(...) \
	BGWORKER_COMPAT_FOURTH(__VA_ARGS__, PathNameOpenFilePerm, PathNameOpenFile, )(__VA_ARGS__)

#endif
