// Linux system calls that the Glibc module does not show to Swift. Every function answers a negative errno on failure.
#pragma once
#include "epoll.h"
#include "files.h"
#include "machine.h"
#include "namespaces.h"
#include "spawn.h"

