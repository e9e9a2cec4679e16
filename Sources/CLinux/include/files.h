#pragma once
// Asks the kernel to begin writing a file's dirty pages, without waiting. 0, or a negative errno.
int clinux_start_writeback(int descriptor);
