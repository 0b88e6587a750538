// Starts `netc lsp` and hands it to VS Code's own client; all knowledge of nets is in the server.
const { workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

function activate() {
  const [command, ...args] = workspace.getConfiguration("netc").get("command");
  const folder = workspace.workspaceFolders?.[0]?.uri.fsPath;
  const run = { command, args, options: { cwd: folder } };
  client = new LanguageClient("netc", "netc", { run, debug: run }, { documentSelector: [{ language: "netc" }] });
  return client.start();
}

function deactivate() {
  return client?.stop();
}

module.exports = { activate, deactivate };
