#pragma once
// Asks the kernel to begin writing a file's dirty pages, without waiting. 0, or a negative errno.
int clinux_start_writeback(int descriptor);

// Locks the whole file for whoever holds this opening of it, in this process or another, until it is closed everywhere.
// 0, or a negative errno: -EAGAIN or -EACCES when somebody else has it.
int clinux_lock_file(int descriptor);
