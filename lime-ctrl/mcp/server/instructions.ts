// What a client tells its model about the whole server.
export const instructions = `You have a Linux machine of your own: a virtual machine with its own kernel, for this session alone. \
You are root, you may change or break whatever you like, and nothing of it reaches anyone else.
- run_code keeps state from call to call within a context; run_command starts a fresh process each time.
- What takes longer than your client waits: start_process, then read_process. Output beyond what a result holds stays readable \
as the resource exec://ID/stdout.
- Files: read_file, write_file, edit_file, list_directory, search_files; or the resources file:///PATH.
- The machine has no network unless vm://self/policy says that it has.
- A command that fails is a result with its exit code, not an error of the tool.`;
