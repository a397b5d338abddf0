// Reads one {resource, operations} per line and answers with one {result} or
// {error} per line, as the npm package scim-patch has it.
const readline = require("node:readline");
const { scimPatch } = require("scim-patch");

const lines = readline.createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const { resource, operations } = JSON.parse(line);
  let answer;
  try {
    answer = { result: scimPatch(resource, operations, { mutateDocument: false }) };
  } catch (error) {
    answer = { error: error.scimCode || error.name };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
});
