// What client.js offers and what client.d.ts says it does, as JSON: for each exported name, the members of a class.
// node client-types.mjs CLIENT.JS CLIENT.D.TS
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

import ts from "typescript";

const [program, types] = process.argv.slice(2);

const offered = {};
for (const [name, value] of Object.entries(await import(pathToFileURL(program)))) {
  const members = value.prototype ? Object.getOwnPropertyNames(value.prototype) : [];
  offered[name] = members.filter((member) => member !== "constructor").sort();
}

const said = {};
const file = ts.createSourceFile(types, readFileSync(types, "utf8"), ts.ScriptTarget.ES2022);
for (const node of file.statements) {
  if (ts.isFunctionDeclaration(node)) said[node.name.text] = [];
  if (ts.isVariableStatement(node)) for (const { name } of node.declarationList.declarations) said[name.text] = [];
  if (ts.isClassDeclaration(node)) {
    const members = node.members.filter((member) => member.name).map((member) => member.name.text);
    said[node.name.text] = [...new Set(members)].sort();
  }
}
process.stdout.write(JSON.stringify({ offered, said }));
