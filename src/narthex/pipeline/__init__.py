"""The one way every call takes through the house.

exchange   everything about one call, from its bytes to its bill
contract   what a stage is
stages/    one file, one class, one duty each
chain      the stages, in order
explain    where a call would go, and why, without the call
shadows    copies of calls for models on trial
settle     what is written down when an answer has ended
gateway    the engine: `handle` an exchange
"""
