// Completion scripts for bash, zsh and fish, made from the commands themselves. Names of machines come from "vvm list".
import type { Command } from 'commander';
import { usageError } from '../exit-codes.ts';

export interface CommandWords {
  name: string;
  summary: string;
  /** "--file", "-f", … and names of subcommands. */
  words: string[];
  takesMachine: boolean;
}

export function describeCommands(program: Command): CommandWords[] {
  return program.commands.map((command) => ({
    name: command.name(),
    summary: command.summary(),
    words: [
      ...command.options
        .flatMap(({ long, short }) => [long, short])
        .filter((word) => word !== undefined && word !== null),
      ...command.commands.map((sub) => sub.name()),
    ],
    takesMachine: /^NAME/.test(command.registeredArguments[0]?.name() ?? '') && command.name() !== 'create',
  }));
}

/** Throws a usage error for a shell that is not known. */
export function completionScript(shell: string, commands: CommandWords[]): string {
  if (shell === 'bash') return bash(commands);
  if (shell === 'zsh') return `#compdef vvm\nautoload -U +X bashcompinit && bashcompinit\n${bash(commands)}`;
  if (shell === 'fish') return fish(commands);
  throw usageError(`unknown shell "${shell}"`, 'Known: bash, zsh, fish.');
}

function bash(commands: CommandWords[]): string {
  const cases = commands.map(({ name, words, takesMachine }) => {
    const machines = takesMachine ? ' $(_vvm_machines)' : '';
    return `    ${name}) words="${words.join(' ')}${machines}" ;;`;
  });
  return `# Completion of vvm.
_vvm_machines() { [ -e "\${TVM_HOME:-\${XDG_DATA_HOME:-$HOME/.local/share}/tvm}/service.json" ] && vvm list -o name 2>/dev/null; }
_vvm() {
  local current="\${COMP_WORDS[COMP_CWORD]}" words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${commands.map(({ name }) => name).join(' ')} help" -- "$current"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _vvm vvm vvm.sh
`;
}

function fish(commands: CommandWords[]): string {
  const lines = commands.flatMap(({ name, summary, words }) => [
    `complete -c vvm -n __fish_use_subcommand -a ${name} -d '${summary.replaceAll("'", '')}'`,
    ...words.map((word) => `complete -c vvm -n '__fish_seen_subcommand_from ${name}' ${fishWord(word)}`),
  ]);
  return `# Completion of vvm.\n${lines.join('\n')}\n`;
}

function fishWord(word: string): string {
  if (word.startsWith('--')) return `-l ${word.slice(2)}`;
  return word.startsWith('-') ? `-s ${word.slice(1)}` : `-a ${word}`;
}
